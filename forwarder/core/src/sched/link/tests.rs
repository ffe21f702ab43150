use super::*;

const GBIT: u64 = 1_000_000_000;

#[test]
fn the_rate_is_exact() {
    for (rate, bytes, step_ns, span_ns) in [
        (100 * GBIT, 64, 1, 2_000_000),
        (100 * GBIT, 4096, 100, 40_000_000),
        (GBIT, 1500, 1_000_000, 1_000_000_000),
        (GBIT / 1000, 4096, 10_000, 100_000_000_000),
    ] {
        let mut link = Link::default();
        link.set(0, Some(Rate::new(rate)));
        let (mut now, mut sent) = (0, 0u64);
        while now < span_ns {
            while link.opens_at(now) == 0 {
                link.charge(now, bytes);
                sent += bytes;
            }
            now += step_ns;
        }
        let ideal = rate as f64 / 8e9 * span_ns as f64;
        assert!(sent as f64 <= ideal + bytes as f64, "{rate}: {sent} of {ideal}");
        let late = rate as f64 / 8e9 * step_ns as f64;
        assert!(sent as f64 >= 0.9999 * ideal - late - bytes as f64, "{rate}: {sent} of {ideal}");
    }
}

#[test]
fn what_a_late_worker_may_catch_up_is_bounded() {
    let mut link = Link::default();
    link.set(0, Some(Rate::new(GBIT)));
    let now = 1_000_000_000;
    let mut sent = 0;
    while link.opens_at(now) == 0 {
        link.charge(now, 1000);
        sent += 1000;
    }
    assert_eq!(sent, 250_000 + 1000, "2 ms of a gigabit, and the one that reaches now");
}

#[test]
fn what_waited_for_a_late_worker_is_made_up_for() {
    for (wanted, expected) in [(false, 250_000), (true, 1_250_000)] {
        let mut link = Link::default();
        link.set(0, Some(Rate::new(GBIT)));
        link.charge(1_000_000_000, 1000);
        link.leave_behind(wanted);
        // The worker returns after 50 ms.
        let now = 1_050_000_000;
        let mut sent = 0;
        while link.opens_at(now) == 0 {
            link.charge(now, 1000);
            sent += 1000;
        }
        assert_eq!(sent, expected + 1000);
    }
}

#[test]
fn a_prompt_one_may_go_while_another_is_on_the_link() {
    for mbit in [1, 10, 200, 10_000] {
        let mut link = Link::default();
        link.set(0, Some(Rate::new(mbit * 1_000_000)));
        link.charge(0, 4096);
        assert_ne!(link.opens_at(0), 0);
        assert_eq!(link.opens_early_at(0), 0, "{mbit} Mbit");
        let mut ahead = 0;
        while link.opens_early_at(0) == 0 {
            link.charge(0, 4096);
            ahead += 4096;
        }
        let at_100_us = mbit * 100 / 8;
        assert!(ahead <= (3 * 4096).max(at_100_us + 4096), "{mbit} Mbit: {ahead}");
    }
}

#[test]
fn what_others_sent_keeps_the_link_and_is_not_owed_again() {
    let mut link = Link::default();
    link.occupy(70);
    assert_eq!(link.opens_at(0), 0, "without a rate there is nothing to keep");
    link.set(0, Some(Rate::new(GBIT)));
    link.occupy(1_000);
    link.occupy(500);
    assert_eq!((link.opens_at(999), link.opens_at(1_000)), (1_000, 0));
    link.charge(1_000, 125);
    assert_eq!(link.opens_at(1_000), 2_000);
}

#[test]
fn what_passes_by_takes_its_time_of_the_link_and_no_more_than_the_bound() {
    let now = 1_000_000_000;
    for (wanted, due) in [(false, now + 1_000), (true, now - LATE_NS + 1_000)] {
        let mut link = Link::default();
        link.set(0, Some(Rate::new(GBIT)));
        link.leave_behind(wanted);
        link.charge_passing(now, 125, 5_000);
        assert_eq!(link.free, fine(due));
        link.charge_passing(now, 1 << 40, 5_000);
        assert_eq!(link.opens_at(now), now + 5_000);
        // The link is further ahead for another reason, and stays there.
        link.occupy(now + 9_000);
        link.charge_passing(now, 125, 5_000);
        assert_eq!(link.opens_at(now), now + 9_000);
    }
    let mut link = Link::default();
    link.charge_passing(now, 125, 5_000);
    assert_eq!(link.opens_at(0), 0, "it has no rate");
}

#[test]
fn a_new_rate_keeps_what_is_on_the_link() {
    let mut link = Link::default();
    assert_eq!(link.opens_at(0), 0);
    link.set(0, Some(Rate::new(8_000_000)));
    link.charge(0, 1000);
    link.set(500_000, Some(Rate::new(80_000_000)));
    assert_eq!(link.opens_at(500_000), 550_000, "500 bytes are left");
    link.refund(500);
    assert_eq!(link.opens_at(500_000), 0);
    link.set(500_000, None);
    assert_eq!((link.opens_at(0), link.opens_early_at(0)), (0, 0));
}
