use super::*;

#[test]
fn regimes_add_up_to_the_time_that_passed() {
    let mut regimes = Regimes::new(1_000);
    regimes.charge(Regime::Busy, false, 1_500);
    regimes.charge(Regime::Idle, false, 1_600);
    regimes.charge(Regime::BackPressured, false, 9_600);
    regimes.charge(Regime::Busy, false, 10_000);
    let Regimes { busy_ns, idle_ns, back_pressured_ns, .. } = regimes;
    assert_eq!((busy_ns, idle_ns, back_pressured_ns), (900, 100, 8_000));
    assert_eq!(regimes.turns, 4);
}

#[test]
fn the_worker_is_the_limit_for_as_long_as_something_waits_for_it() {
    let mut regimes = Regimes::new(0);
    regimes.charge(Regime::Busy, true, 30_000_000);
    regimes.charge(Regime::Busy, false, 40_000_000);
    assert_eq!((regimes.limited.ns, regimes.limited.now_permille()), (30_000_000, 750));
    for ms in 41..2_000 {
        regimes.charge(Regime::Busy, true, ms * 1_000_000);
    }
    assert!(regimes.limited.now_permille() > 990);
    regimes.charge(Regime::Idle, false, 9_000_000_000);
    assert!(regimes.limited.now_permille() < 30, "that was seconds ago");
    assert_eq!(regimes.limited.ns, 30_000_000 + 1_959_000_000);
}

#[test]
fn a_clock_that_steps_back_charges_nothing() {
    let mut regimes = Regimes::new(1_000);
    regimes.charge(Regime::Busy, false, 900);
    regimes.charge(Regime::Busy, false, 1_100);
    assert_eq!(regimes.busy_ns, 100);
}
