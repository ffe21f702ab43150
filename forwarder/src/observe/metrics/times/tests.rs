use super::*;
use weir_core::Bin;

#[test]
fn every_packet_is_in_one_bucket_and_none_looks_faster_than_it_was() {
    let mut latency = VifLatency::default();
    for ns in [0, 1_900, 2_000, 4_990, 9_900, 10_000, 999_999_999, 3_000_000_000, u64::MAX] {
        latency.record_residence(Bin::of(ns));
    }
    let spread = Spread::from(&latency.residence());
    assert_eq!(spread.count(), 9);
    assert_eq!(spread.counts[..4], [2, 2, 1, 1], "the bins of 2 us and 10 us go beyond");
    assert_eq!(spread.counts[BOUNDS_US.len()], 3);
    assert_eq!(spread.buckets().len(), BOUNDS_US.len() + 1);
}

#[test]
fn the_sum_is_as_good_as_the_fine_histogram() {
    let mut latency = VifLatency::default();
    let exact: u64 = (0..10_000u64).map(|n| 5_000 + n * 37).sum();
    for n in 0..10_000 {
        latency.record_residence(Bin::of(5_000 + n * 37));
    }
    let off = Spread::from(&latency.residence()).sum_seconds() * 1e9 / exact as f64;
    assert!((0.996..1.004).contains(&off), "{off}");
}

#[test]
fn bounds_rise_and_are_further_apart_than_the_fine_bins() {
    for pair in BOUNDS_US.map(|us| us * 1000).windows(2) {
        assert!(pair[1] >= pair[0] + pair[0] / 4 + 64, "{pair:?}");
    }
}
