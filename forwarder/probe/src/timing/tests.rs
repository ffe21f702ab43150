use super::*;

#[test]
fn three_digits_and_exact_counts() {
    let mut spread = Spread::default();
    for ns in [0, 1, 1_000, 1_001, 123_456_789, LONGEST_NS, u64::MAX] {
        spread.record(ns);
    }
    let summary = spread.summary();
    assert_eq!((summary.count, summary.min_ns), (7, 0));
    assert!(summary.max_ns >= LONGEST_NS);
    for ns in [2_000, 1_000_000, 123_456_789] {
        assert!(spread.histogram.equivalent_range(ns) <= ns / 1000, "{ns}");
    }
    assert_eq!(Spread::default().summary(), Summary::default());
}

#[test]
fn the_summary_is_the_json() {
    let mut spread = Spread::default();
    spread.record(1_000);
    let json = serde_json::to_value(&spread).unwrap();
    assert_eq!((json["count"].as_u64(), json["p50_ns"].as_u64()), (Some(1), Some(1_000)));
}

#[test]
fn steady_transit_has_no_jitter_whatever_the_clocks() {
    let mut jitter = Jitter::default();
    for n in 0..1000_u64 {
        jitter.take(n * 1_000_000, (n * 1_000_000).wrapping_sub(77_000_000_000));
    }
    assert_eq!(jitter.ns(), 0);
}

#[test]
fn jitter_nears_the_mean_difference() {
    let mut jitter = Jitter::default();
    for n in 0..1000_u64 {
        jitter.take(n * 1_000_000, n * 1_000_000 + (n % 2) * 16_000);
    }
    assert!((15_900..=16_000).contains(&jitter.ns()), "{}", jitter.ns());
}

#[test]
fn one_difference_counts_a_sixteenth() {
    let mut jitter = Jitter::default();
    jitter.take(0, 100);
    jitter.take(1_000, 1_100 + 1_600);
    assert_eq!(jitter.ns(), 100);
}
