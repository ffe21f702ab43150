use super::*;

#[test]
fn every_port_is_served_once_a_turn_and_each_is_first_in_its_turn() {
    let mut lanes = Lanes::new();
    for id in [3, 7, 200] {
        lanes.insert(PortId(id), id, true);
    }
    let mut firsts = Vec::new();
    for _ in 0..3 {
        let served: Vec<u16> =
            (0..lanes.receiving()).filter_map(|n| lanes.nth(n)).map(|id| id.0).collect();
        let mut sorted = served.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [3, 7, 200]);
        firsts.push(served[0]);
        lanes.rotate();
    }
    firsts.sort_unstable();
    assert_eq!(firsts, [3, 7, 200]);
}

#[test]
fn long_packets_are_taken_in_smaller_numbers() {
    for (packets, bytes, budget) in [
        (128, 128 * 64, BURST),
        (128, 128 * 1514, BURST),
        (64, 64 * 65_000, 4),
        (1, 9_000, 29),
        (0, 0, BURST),
    ] {
        assert_eq!(budget_after(packets, bytes, 1), budget, "{packets} packets, {bytes} bytes");
    }
}

#[test]
fn several_busy_ports_share_a_turn() {
    for (ports, budget) in [(1, 128), (2, 64), (3, 42), (8, 16), (100, 16)] {
        assert_eq!(budget_after(10, 640, ports), budget, "{ports} ports");
    }
}

#[test]
fn a_removed_port_is_served_no_more() {
    let mut lanes = Lanes::new();
    lanes.insert(PortId(1), 'a', true);
    lanes.insert(PortId(2), 'b', true);
    lanes.rotate();
    assert_eq!(lanes.remove(PortId(2)).map(|lane| lane.port), Some('b'));
    assert_eq!(lanes.all().iter().collect::<Vec<_>>(), [PortId(1)]);
    assert_eq!(lanes.nth(0), Some(PortId(1)));
    assert!(lanes.get_mut(PortId(2)).is_none());
}

#[test]
fn a_port_that_only_sends_is_looked_after_while_it_has_something() {
    let mut lanes = Lanes::new();
    lanes.insert(PortId(1), 'a', true);
    lanes.insert(PortId(2), 'b', false);
    let tended = |lanes: &Lanes<char>| lanes.tended().iter().collect::<Vec<_>>();
    assert_eq!((lanes.receiving(), tended(&lanes)), (1, vec![PortId(1)]));
    lanes.tend(PortId(2));
    lanes.tend(PortId(9));
    assert_eq!((lanes.receiving(), tended(&lanes)), (1, vec![PortId(1), PortId(2)]));
    assert!(lanes.any_tended(|lane| lane.port == 'b'));
    lanes.untend(PortId(2));
    assert_eq!(tended(&lanes), [PortId(1)]);
    lanes.tend(PortId(2));
    lanes.remove(PortId(2));
    assert_eq!(tended(&lanes), [PortId(1)]);
}
