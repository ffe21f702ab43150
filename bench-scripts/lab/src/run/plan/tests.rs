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

#[test]
fn speaks_of_time() {
    let say = spoken;
    assert_eq!(say(0.4), "0 s");
    assert_eq!(say(99.4), "99 s");
    assert_eq!(say(100.0), "2 min");
    assert_eq!(say(721.0), "13 min");
    assert_eq!(say(5940.0), "99 min");
    assert_eq!(say(5941.0), "1 h 40 min");
}

#[test]
fn learns_what_cells_take() {
    let cells = testing::cells(1, 0, 10);
    let length = length_s(&cells[0].scene);
    assert_eq!(Overhead::USUAL.expected_s(&cells), 10.0 * (length + Overhead::USUAL.mean_s));
    let mut overhead = Overhead::USUAL;
    for _ in 0..50 {
        overhead.learn(&cells[0].scene, length + 7.0);
    }
    let left = overhead.expected_s(&cells);
    assert!((left - 10.0 * (length + 7.0)).abs() < 0.1, "{left}");
    // A clock that was set back, or a scene cut short.
    overhead.learn(&cells[0].scene, 0.0);
}

#[test]
fn asks_for_what_scenes_use() {
    let mut cells = testing::cells(1, 0, 1);
    assert_eq!(programs(&cells), BTreeSet::from(ALWAYS));
    cells[0].scene = toml::from_str(
        r#"
            vms = 1
            window = [{ name = "w", from = 0, to = 1 }]
            traffic = [{ kind = "tcp", from = "vm1", to = "uplink" }]
            load = [{ what = "disk", at = "vm1", start = 0, stop = 1 }]
            "#,
    )
    .unwrap();
    assert_eq!(programs(&cells), BTreeSet::from(["ip", "tc", "ethtool", "iperf3", "fio"]));
}

#[test]
fn names_what_is_missing() {
    ensure_all(&BTreeSet::from(["sh"])).unwrap();
    let error = ensure_all(&BTreeSet::from(["no-such-a", "no-such-b", "sh"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no no-such-a and no no-such-b on this machine: `cargo xtask setup` installs it"
    );
}

#[test]
fn plans_what_the_effort_measures() {
    let mut experiment = testing::experiment(3, 2, 2);
    experiment.quick.peers = Some(vec!["peer0".to_owned()]);
    let experiments = [experiment, testing::experiment(1, 2, 2)];
    let mut orders = Orders { quick: false, again: false, seed: 1, only: vec!["peer1".to_owned()] };
    let cells: Vec<usize> =
        plan(&experiments, &orders).unwrap().iter().map(|planned| planned.cells.len()).collect();
    assert_eq!(cells, [12], "the other experiment has no such peer");
    orders.quick = true;
    let error = plan(&experiments, &orders).unwrap_err();
    assert_eq!(error.to_string(), "nothing is measured of peer1 with --quick");
}
