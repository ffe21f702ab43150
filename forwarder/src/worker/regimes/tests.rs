use super::*;

#[test]
fn regimes_add_up_to_the_time_that_passed() {
    let mut regimes = Regimes::new(1_000);
    regimes.charge(Regime::Busy, false, 1_500);
    regimes.charge(Regime::Idle, false, 1_600);
    regimes.charge(Regime::Asleep, false, 9_600);
    regimes.charge(Regime::Busy, false, 10_000);
    let total: u64 = Regime::ALL.iter().map(|&r| regimes.spent_ns(r)).sum();
    assert_eq!(total, 9_000);
    assert_eq!(regimes.spent_ns(Regime::Busy), 900);
    assert_eq!(regimes.turns(Regime::Busy), 2);
}

#[test]
fn the_worker_is_the_limit_for_as_long_as_something_waits_for_it() {
    let mut regimes = Regimes::new(0);
    regimes.charge(Regime::Busy, true, 30_000_000);
    regimes.charge(Regime::Busy, false, 40_000_000);
    assert_eq!((regimes.limited().ns, regimes.limited().now_permille()), (30_000_000, 750));
    for ms in 41..2_000 {
        regimes.charge(Regime::Busy, true, ms * 1_000_000);
    }
    assert!(regimes.limited().now_permille() > 990);
    regimes.charge(Regime::Asleep, false, 9_000_000_000);
    assert!(regimes.limited().now_permille() < 30, "that was seconds ago");
    assert_eq!(regimes.limited().ns, 30_000_000 + 1_959_000_000);
}

#[test]
fn a_clock_that_steps_back_charges_nothing() {
    let mut regimes = Regimes::new(1_000);
    regimes.charge(Regime::Busy, false, 900);
    regimes.charge(Regime::Busy, false, 1_100);
    assert_eq!(regimes.spent_ns(Regime::Busy), 100);
}
