use super::*;
use crate::latency::shape::{bin_of, to_histogram};

#[test]
fn it_holds_what_bare_counts_would_and_takes_memory_for_what_is_there() {
    let (mut counts, mut bare) = (Counts::default(), vec![0_u64; BINS]);
    let none = counts.bytes();
    for ns in [0, 64, 9_000, 9_000, 200_000, u64::MAX] {
        counts.add(bin_of(ns), 3);
        bare[bin_of(ns)] += 3;
    }
    assert!(counts.to_histogram() == to_histogram(bare.into_iter().enumerate()));
    assert_eq!(counts.bytes() - none, 4 * PIECE * 8, "0 to 64 ns, 9 us, 200 us, the longest");
    let mut twice = Counts::default();
    twice.merge(&counts);
    twice.merge(&counts);
    assert_eq!(twice.count(bin_of(9_000)), 12);
    assert!(!twice.is_empty());
    twice.clear();
    assert!(twice.is_empty() && twice.bytes() == none);
}
