use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::run::tests::testing;

fn keys(cells: &[Cell]) -> Vec<String> {
    cells.iter().map(|cell| cell.place.key()).collect()
}

proptest! {
    #[test]
    fn every_cell_once_and_groups_together(
        peers in 1_usize..6, xs in 0_usize..4, repetitions in 1_u32..6, seed: u64
    ) {
        let cells = testing::cells(peers, xs, repetitions);
        let order = fair(cells.clone(), seed);
        prop_assert_eq!(keys(&order), keys(&fair(cells.clone(), seed)));
        for (was, is) in cells.chunks(peers).zip(order.chunks(peers)) {
            let (mut was, mut is) = (keys(was), keys(is));
            was.sort();
            is.sort();
            prop_assert_eq!(was, is);
        }
    }

    #[test]
    fn everybody_begins_equally_often_at_each_x(
        peers in 1_usize..6, xs in 1_usize..4, rounds in 1_u32..3, seed: u64
    ) {
        let repetitions = rounds * peers as u32;
        let order = fair(testing::cells(peers, xs, repetitions), seed);
        let mut first: BTreeMap<(String, String), u32> = BTreeMap::new();
        for group in order.chunks(peers) {
            let place = &group[0].place;
            *first.entry((place.peer.clone(), format!("{:?}", place.x))).or_default() += 1;
        }
        prop_assert_eq!(first.len(), peers * xs);
        prop_assert!(first.values().all(|times| *times == rounds));
    }
}

#[test]
fn another_seed_gives_another_order() {
    let cells = testing::cells(4, 3, 3);
    assert_ne!(keys(&fair(cells.clone(), 1)), keys(&fair(cells, 2)));
}
