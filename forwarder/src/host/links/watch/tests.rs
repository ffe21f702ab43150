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
    let moved = [Event::MasterChanged(5)];
    assert_eq!(between(vec![free.clone()], vec![in_3.clone()]), moved);
    assert_eq!(between(vec![in_3], vec![in_4.clone()]), moved);
    assert_eq!(between(vec![in_4], vec![]), [Event::Vanished(5)]);
}

#[test]
fn an_index_is_another_interface_only_when_it_was_gone() {
    let old = link(5, "v1", LinkKind::Veth);
    let mut new = link(5, "v2", LinkKind::Veth);
    new.mtu = 9000;
    new.up = false;
    new.xdp = XdpAttached { skb: 9, ..XdpAttached::default() };
    assert_eq!(
        between(vec![old], vec![new]),
        [Event::Renamed(5), Event::MtuChanged(5), Event::XdpChanged(5), Event::UpChanged(5),]
    );
}
