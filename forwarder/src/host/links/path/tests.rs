use super::super::XdpAttached;
use super::super::testing::link;
use super::*;

const NETNS: i32 = 5;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];

/// A veth with index 7 whose other end has index 2 in another namespace.
fn port() -> Link {
    let peer = Some(Peer { ifindex: 2, netns_id: Some(NETNS) });
    Link { peer, ..link(7, "v1", LinkKind::Veth) }
}

/// Its other end, as it answers from there.
fn far() -> Link {
    let peer = Some(Peer { ifindex: 7, netns_id: Some(0) });
    Link { peer, mac: MAC, ..link(2, "eth0", LinkKind::Veth) }
}

fn way(port: &Link, answer: io::Result<Option<Link>>) -> ExpressPath {
    ExpressPath::of(port, |netns_id, ifindex| {
        assert_eq!((netns_id, ifindex), (NETNS, 2));
        answer
    })
}

fn why_not(answer: io::Result<Option<Link>>) -> String {
    match way(&port(), answer) {
        ExpressPath { method: Method::Redirect(Some(why)), max_len: 1518 } => why,
        other => panic!("{other:?}"),
    }
}

fn never(_: i32, _: u32) -> io::Result<Option<Link>> {
    panic!("this test has no namespace to ask")
}

#[test]
fn a_veth_into_another_namespace_takes_frames_to_the_other_ends_mac() {
    let way = way(&port(), Ok(Some(far())));
    assert_eq!(way, ExpressPath { method: Method::Peer { mac: Mac::new(MAC) }, max_len: 1518 });
    let port = way.apply_to(GatePort::default());
    assert_eq!(port.method_for(0x0200_0000_00fe), Some(ToPort::Peer));
    assert_eq!(port.method_for(0x0200_0000_00ff), Some(ToPort::Redirect));
}

#[test]
fn the_shorter_end_bounds_a_frame() {
    let max_len = |near, far_mtu| {
        let port = Link { mtu: near, ..port() };
        way(&port, Ok(Some(Link { mtu: far_mtu, ..far() }))).max_len
    };
    assert_eq!((max_len(9000, 1500), max_len(1500, 9000), max_len(9000, 9000)), (1518, 1518, 9018));
    let tap = Link { mtu: u32::MAX, ..link(8, "tap8", LinkKind::Tap) };
    assert_eq!(ExpressPath::of(&tap, never).max_len, u32::MAX);
}

#[test]
fn a_program_in_the_driver_would_be_passed_by_one_behind_it_is_not() {
    let with = |xdp| Ok(Some(Link { xdp, ..far() }));
    let native = XdpAttached { native: 9, ..XdpAttached::default() };
    assert_eq!(why_not(with(native)), "its other end has a native XDP program");
    let offloaded = XdpAttached { hardware: 9, ..XdpAttached::default() };
    assert_eq!(why_not(with(offloaded)), "its other end has a native XDP program");
    let generic = XdpAttached { skb: 9, ..XdpAttached::default() };
    assert!(matches!(way(&port(), with(generic)).method, Method::Peer { .. }));
}

#[test]
fn an_other_end_that_is_not_seen_is_left_to_the_driver() {
    let denied = io::Error::from_raw_os_error(nix::libc::EACCES);
    assert!(why_not(Err(denied)).starts_with("its other end cannot be looked at: Permission"));
    let moved = "its other end cannot be looked at: it has just moved";
    assert_eq!(why_not(Ok(None)), moved);
    let others = Link { peer: Some(Peer { ifindex: 8, netns_id: Some(0) }), ..far() };
    assert_eq!(why_not(Ok(Some(others))), moved);
    let tap = Link { kind: LinkKind::Tap, ..far() };
    assert_eq!(why_not(Ok(Some(tap))), moved);
    let without = Link { mac: [0; 6], ..far() };
    assert!(why_not(Ok(Some(without))).ends_with("it has no address"));
    let unnamed = Link { peer: None, ..port() };
    let why = "its other end cannot be looked at: the kernel does not name it".to_owned();
    assert_eq!(ExpressPath::of(&unnamed, never).method, Method::Redirect(Some(why)));
}

#[test]
fn everything_else_is_redirected_to() {
    let peer = Some(Peer { ifindex: 6, netns_id: None });
    let near = Link { peer, ..port() };
    let same = Some("its other end is in this network namespace".to_owned());
    assert_eq!(ExpressPath::of(&near, never).method, Method::Redirect(same));
    for kind in [LinkKind::Tap, LinkKind::Physical, LinkKind::Other("bond".to_owned())] {
        let way = ExpressPath::of(&link(7, "p7", kind), never);
        assert_eq!(way, ExpressPath { method: Method::Redirect(None), max_len: 1518 });
        let told = way.apply_to(GatePort::default());
        assert_eq!(told.method_for(0), Some(ToPort::Redirect));
    }
}
