use super::*;

#[test]
fn what_is_too_long_or_too_short_is_counted_all_the_same() {
    let mut latency = VifLatency::default();
    for ns in [0, 1, 63, 64, 1_000_000, LONGEST_NS, u64::MAX] {
        latency.record_residence(Bin::of(ns));
        latency.record(Stage::Queue, ns, 2);
    }
    assert_eq!(latency.residence().len(), 7);
    assert_eq!(latency.stage(Stage::Queue).len(), 14);
    assert!(latency.residence().max() >= LONGEST_NS);
}

#[test]
fn the_resolution_is_what_the_head_says() {
    let histogram = histogram::<u32>();
    for ns in [1, 10_000, 16_383, 100_000, 5_000_000, 3_000_000_000] {
        let width = histogram.equivalent_range(ns);
        assert!(width <= SHORTEST_NS.max(ns / 128), "{ns}: {width}");
    }
    assert!(histogram.distinct_values() * 4 < 12_000, "{}", histogram.distinct_values());
}

#[test]
fn merged_is_what_both_recorded() {
    let (mut one, mut other) = (VifLatency::default(), VifLatency::default());
    one.record_residence(Bin::of(1_000));
    other.record_residence(Bin::of(2_000));
    other.record(Stage::Tx, 500, 3);
    one.merge(&other);
    assert_eq!((one.residence().len(), one.stage(Stage::Tx).len()), (2, 3));
}
