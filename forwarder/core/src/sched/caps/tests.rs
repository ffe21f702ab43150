use super::*;

#[test]
fn what_went_by_another_way_is_not_owed_again() {
    let caps = Caps::default();
    caps.set(0, V, Some(Rate::new(8_000_000_000)), 0);
    caps.occupy(V, 5_000);
    caps.occupy(V, 4_000);
    assert_eq!(caps.due_ns(V), 5_000);
    assert_eq!(caps.ready_at(3_000, V, 1_000), 4_000, "two of them ahead, at a byte a nanosecond");
    caps.charge(4_000, V, 1_000);
    assert_eq!(caps.due_ns(V), 6_000);
}

const V: PortId = PortId(3);

/// Asks every `step_ns` and sends what is allowed. Returns the most that any interval got above
/// `rate * interval`, and the total.
fn worst(caps: &Caps, rate: Rate, bytes: u64, step_ns: u64, span_ns: u64) -> (i64, u64) {
    let (mut least, mut most, mut sent, mut now) = (0i64, i64::MIN, 0u64, 0);
    while now < span_ns {
        let earned = (u128::from(rate.bits_per_s) * u128::from(now) / 8_000_000_000) as i64;
        least = least.min(sent as i64 - earned);
        while caps.ready_at(now, V, bytes) == 0 {
            caps.charge(now, V, bytes);
            sent += bytes;
        }
        most = most.max(sent as i64 - earned - least);
        now += step_ns;
    }
    (most, sent)
}

#[test]
fn a_cap_is_exceeded_by_its_burst_and_no_more() {
    for (mbit, burst, bytes, step_ns) in [
        (10, 65_536, 4096, 50_000),
        (10, 16_384, 64, 1_000),
        (1_000, 65_536, 9000, 1_000),
        (100_000, 65_536, 64, 100),
        (1, 2_048, 1500, 100_000),
    ] {
        let rate = Rate::new(mbit * 1_000_000);
        let caps = Caps::default();
        caps.set(0, V, Some(rate), burst);
        let span_ns = 400_000 * step_ns;
        let (over, sent) = worst(&caps, rate, bytes, step_ns, span_ns);
        let allowed = burst.max(2 * bytes) as i64;
        assert!(over <= allowed, "{mbit} Mbit, {burst}: {over} above");
        assert!(over > allowed - 2 * bytes as i64, "{mbit} Mbit, {burst}: only {over}");
        let earned = mbit as f64 * 1e6 / 8e9 * span_ns as f64;
        assert!(sent as f64 > 0.995 * earned, "{mbit} Mbit: {sent} of {earned}");
    }
}

#[test]
fn the_time_it_names_is_the_time_it_may_go() {
    let caps = Caps::default();
    caps.set(0, V, Some(Rate::new(8_000_000)), 10_000);
    assert_eq!(caps.ready_at(5, V, 4000), 0);
    caps.charge(0, V, 10_000);
    let at = caps.ready_at(0, V, 4000);
    assert_eq!(at, 4_000_000);
    assert_ne!(caps.ready_at(at - 1, V, 4000), 0);
    assert_eq!(caps.ready_at(at, V, 4000), 0);
    caps.refund(V, 10_000);
    assert_eq!(caps.ready_at(0, V, 4000), 0);
    assert_eq!(caps.ready_at(0, PortId(4), u64::MAX), 0, "no other source is limited");
}

#[test]
fn what_was_taken_too_much_of_stays_so_many_bytes() {
    let caps = Caps::default();
    caps.set(0, V, Some(Rate::new(8_000_000)), 8_000);
    caps.charge(0, V, 8_000);
    caps.set(0, V, Some(Rate::new(80_000_000)), 8_000);
    assert_eq!(caps.ready_at(0, V, 4000), 400_000);
    caps.set(0, V, None, 8_000);
    assert_eq!(caps.ready_at(0, V, 4000), 0);
    caps.set(0, V, Some(Rate::new(8_000_000)), 8_000);
    assert_eq!(caps.ready_at(0, V, 8000), 0, "what went unlimited is not charged");
}
