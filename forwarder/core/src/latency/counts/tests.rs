use allocation_counter::measure;

use super::*;

#[test]
fn it_holds_what_bare_counts_would_and_takes_memory_for_what_is_there() {
    let (mut counts, mut bare) = (Counts::default(), vec![0_u64; BINS]);
    let taken = measure(|| {
        for ns in [0, 64, 9_000, 9_000, 200_000, u64::MAX] {
            counts.add(bin_of(ns), 3);
            bare[bin_of(ns)] += 3;
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
        mine[bin_of(ns)] += 1;
        let mut alone = histogram::<u32>();
        alone.saturating_record(ns);
        let mut bins = vec![0u32; BINS];
        bins[bin_of(ns)] = 1;
        assert!(to_histogram(bins.into_iter().enumerate()) == alone, "{ns}");
    }
    assert!(to_histogram(mine.into_iter().enumerate()) == theirs);
}
