use allocation_counter::measure;

use super::*;
use crate::latency::shape::{bin_of, to_histogram};

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
    assert_eq!(measure(|| twice.clear()).bytes_current, -taken.bytes_current);
    assert!(twice.is_empty());
}
