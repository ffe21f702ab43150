use allocation_counter::measure;

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

#[test]
fn it_holds_what_bare_counts_would_and_takes_memory_for_what_is_there() {
    let (mut counts, mut bare) = (Counts::default(), vec![0_u64; BINS]);
    let taken = measure(|| {
        for ns in [0, 64, 9_000, 9_000, 200_000, u64::MAX] {
            counts.add(Bin::of(ns), 3);
            bare[Bin::of(ns).0] += 3;
        }
    });
    assert!(counts.to_histogram() == to_histogram(bare.into_iter().enumerate()));
    let pieces = taken.bytes_current / (PIECE as i64 * 8);
    assert_eq!(pieces, 4, "0 to 64 ns, 9 us, 200 us, the longest");
    let mut twice = Counts::default();
    assert_eq!(measure(|| twice.merge(&counts)).bytes_current, taken.bytes_current);
    twice.merge(&counts);
    assert_eq!(twice.to_histogram().count_at(9_000), 12);
    assert!(!twice.is_empty());
    assert_eq!(measure(|| twice = Counts::default()).bytes_current, -taken.bytes_current);
    assert!(twice.is_empty());
}

fn times() -> impl Iterator<Item = u64> {
    let powers = (0..64).map(|bits| 1u64 << bits);
    let near = powers.flat_map(|at| [at - 1, at, at + 1, at + at / 3, at + at / 2]);
    let edges = (0..BINS).flat_map(|bin| [time_of(bin) - 1, time_of(bin)]);
    near.chain(edges).chain([LONGEST_NS, u64::MAX]).filter(|ns| *ns > 0)
}

#[test]
fn it_counts_as_the_library_does() {
    let (mut theirs, mut mine) = (histogram::<u64>(), vec![0u64; BINS]);
    assert_eq!(theirs.distinct_values(), BINS);
    for ns in times() {
        theirs.saturating_record(ns);
        mine[Bin::of(ns).0] += 1;
        let mut alone = histogram::<u32>();
        alone.saturating_record(ns);
        let mut bins = vec![0u32; BINS];
        bins[Bin::of(ns).0] = 1;
        assert!(to_histogram(bins.into_iter().enumerate()) == alone, "{ns}");
    }
    assert!(to_histogram(mine.into_iter().enumerate()) == theirs);
}
