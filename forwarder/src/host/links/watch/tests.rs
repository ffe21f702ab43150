use super::super::testing::{link, member, snapshot};
use super::super::{LinkKind, XdpAttached};
use super::*;

fn between(old: Vec<Link>, new: Vec<Link>) -> Vec<Event> {
    difference(&snapshot(old), &snapshot(new)).into()
}

#[test]
fn nothing_happened() {
    let links = || vec![link(1, "v1", LinkKind::Veth), link(2, "br0", LinkKind::Bridge)];
    assert_eq!(between(links(), links()), []);
}

#[test]
fn a_port_joins_moves_and_vanishes() {
    let free = link(5, "v1", LinkKind::Veth);
    let in_3 = member(free.clone(), 3);
    let in_4 = member(free.clone(), 4);
    assert_eq!(
        between(vec![free.clone()], vec![in_3.clone()]),
        [
            Event::MasterChanged { ifindex: 5, from: None, to: Some(3) },
            Event::PortAppeared { bridge: 3, link: in_3.clone() },
        ]
    );
    assert_eq!(
        between(vec![in_3.clone()], vec![in_4.clone()]),
        [
            Event::MasterChanged { ifindex: 5, from: Some(3), to: Some(4) },
            Event::PortVanished { bridge: 3, ifindex: 5, name: "v1".into() },
            Event::PortAppeared { bridge: 4, link: in_4.clone() },
        ]
    );
    assert_eq!(
        between(vec![in_4], vec![]),
        [
            Event::PortVanished { bridge: 4, ifindex: 5, name: "v1".into() },
            Event::Vanished { ifindex: 5, name: "v1".into() },
        ]
    );
}

#[test]
fn an_index_is_another_interface_only_when_it_was_gone() {
    let old = link(5, "v1", LinkKind::Veth);
    let mut new = link(5, "v2", LinkKind::Veth);
    new.mtu = 9000;
    new.up = false;
    new.carrier = false;
    new.xdp = XdpAttached { skb: 9, ..XdpAttached::default() };
    assert_eq!(
        between(vec![old], vec![new]),
        [
            Event::Renamed { ifindex: 5, from: "v1".into(), to: "v2".into() },
            Event::MtuChanged { ifindex: 5, mtu: 9000 },
            Event::XdpChanged { ifindex: 5, program: Some(9) },
            Event::Down { ifindex: 5 },
            Event::Carrier { ifindex: 5, on: false },
        ]
    );
}

#[test]
fn a_bond_member_is_not_a_bridge_port() {
    let free = link(5, "nic0", LinkKind::Physical);
    let mut bonded = member(free.clone(), 3);
    bonded.master_kind = Some("bond".into());
    assert_eq!(
        between(vec![free], vec![bonded]),
        [Event::MasterChanged { ifindex: 5, from: None, to: Some(3) }]
    );
}
