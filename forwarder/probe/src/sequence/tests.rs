use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

#[test]
fn each_arrival_is_one_thing() {
    let mut flow = Sequence::default();
    let arrivals = [0, 1, 4, 5, 3].map(|n| flow.take(n));
    assert_eq!((arrivals, flow.reordered, flow.largest_extent), ([true; 5], 1, 2));
    assert_eq!([3, 2, 6].map(|n| flow.take(n)), [false, true, true]);
    assert_eq!((flow.unique, flow.duplicates, flow.reordered), (7, 1, 2));
    assert_eq!((flow.largest_extent, flow.lost(None), flow.lost(Some(10))), (3, 0, 3));
}

#[test]
fn the_example_of_rfc_4737() {
    // Section 7.1: numbers 1 to 10 arrive with 4 behind 7; its extent is 3.
    let mut flow = Sequence::default();
    assert_eq!([1, 2, 3, 5, 6, 7, 4, 8, 9, 10].map(|n| flow.take(n)), [true; 10]);
    assert_eq!((flow.reordered, flow.largest_extent), (1, 3));
}

#[test]
fn what_is_beyond_the_window_is_late_and_lost() {
    let mut flow = Sequence::default();
    flow.take(0);
    flow.take(WINDOW + 1);
    assert!(!flow.take(1) && flow.take(2));
    assert_eq!((flow.reordered, flow.largest_extent, flow.duplicates), (1, 1, 0));
    assert_eq!((flow.unique, flow.late, flow.lost(None)), (3, 1, WINDOW - 1));
    // A jump over more than the window discards all earlier state.
    flow.take(10 * WINDOW + 7);
    assert!(flow.take(9 * WINDOW + 9) && !flow.take(9 * WINDOW + 9));
    assert_eq!((flow.reordered, flow.largest_extent, flow.duplicates), (2, 1, 1));
}

#[test]
fn the_largest_number_is_harmless() {
    let mut flow = Sequence::default();
    assert!(flow.take(u64::MAX - 1));
    assert_eq!(flow.reordered, 0);
    assert_eq!(flow.lost(None), u64::MAX - 1);
}

/// The definitions, word for word, over a list of all arrivals.
#[derive(Default)]
struct Naive {
    arrived: Vec<u64>,
    again: u64,
    extents: Vec<u64>,
}

impl Naive {
    fn take(&mut self, number: u64) {
        if self.arrived.contains(&number) {
            self.again += 1;
            return;
        }
        let first_higher = self.arrived.iter().position(|earlier| *earlier > number);
        if let Some(at) = first_higher {
            self.extents.push((self.arrived.len() - at) as u64);
        }
        self.arrived.push(number);
    }
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(
        sent in 1_u64..200,
        lost in proptest::collection::hash_set(0_u64..200, 0..40),
        moves in proptest::collection::vec((0_usize..200, 0_usize..200), 0..40),
        twice in proptest::collection::vec(0_usize..200, 0..20),
    ) {
        let mut arrivals: Vec<u64> = (0..sent).filter(|n| !lost.contains(n)).collect();
        prop_assume!(!arrivals.is_empty());
        let len = arrivals.len();
        for (from, to) in moves {
            let number = arrivals.remove(from % len);
            arrivals.insert(to % len, number);
        }
        for at in twice {
            let number = arrivals[at % arrivals.len()];
            arrivals.push(number);
        }
        let (mut flow, mut naive) = (Sequence::default(), Naive::default());
        for number in &arrivals {
            flow.take(*number);
            naive.take(*number);
        }
        let different: HashSet<u64> = arrivals.iter().copied().collect();
        prop_assert_eq!(flow.unique, different.len() as u64);
        prop_assert_eq!(flow.duplicates, naive.again);
        prop_assert_eq!(flow.reordered, naive.extents.len() as u64);
        prop_assert_eq!(flow.largest_extent, naive.extents.iter().copied().max().unwrap_or(0));
        prop_assert_eq!(flow.unique + flow.lost(Some(sent)), sent);
        prop_assert_eq!(flow.unique + flow.duplicates + flow.late, arrivals.len() as u64);
    }

    #[test]
    fn every_arrival_is_counted_once_however_wild(
        numbers in proptest::collection::vec(0_u64..4 * WINDOW, 0..300)
    ) {
        let mut flow = Sequence::default();
        for number in &numbers {
            flow.take(*number);
        }
        prop_assert_eq!(flow.unique + flow.duplicates + flow.late, numbers.len() as u64);
        prop_assert!(flow.unique <= flow.expected(None));
    }
}
