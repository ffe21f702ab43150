use super::*;

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
