//! How the gate can hand frames to a port itself.
//!
//! `bpf_redirect_peer` takes a frame into the other end of a veth within the same soft interrupt. It
//! takes a device whose other end is in another network namespace, and drops the frame otherwise. It
//! delivers every frame as one for that host, so the gate uses it for frames to the other end's own
//! MAC only. It passes by what stands in front of the other end's stack:
//!
//! - the veth driver's check of the length (`is_skb_forwardable` with the other end's MTU), hence
//!   [`Way::most`];
//! - a native XDP program there, which runs in the driver's poll: a port with one gets
//!   `bpf_redirect`, which goes through the driver;
//! - not a generic XDP program: `__netif_receive_skb_core` goes back to `another_round` with the other
//!   end as the device, and calls `do_xdp_generic` there, before taps and tcx. The program behind the
//!   gate, on weir's own pair, runs in this very way.
//!
//! Invariant: [`Method::Peer`] is said only of a veth whose other end answered, and said that it is
//! the other end of this one.

use std::fmt;
use std::io;

use weir_abi::{GatePort, Method as ToPort};
use weir_core::Mac;

use super::{Link, LinkKind, Peer};

/// Ethernet header and one tag: what the kernel adds to an MTU (`is_skb_forwardable`), whether a frame
/// has a tag or not.
const HEADER: u32 = 14 + 4;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub method: Method,
    /// The longest frame, without a tag that travels beside it, that would reach the port by the
    /// bridge. It does not hold for superframes.
    pub most: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `bpf_redirect_peer`, for frames to the MAC of the port's other end.
    Peer { mac: Mac },
    /// `bpf_redirect`, which any device takes. Of a veth, why it is not the other.
    Redirect(Option<NotPeer>),
}

/// Why frames reach a veth by `bpf_redirect` only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotPeer {
    SameNamespace,
    NativeXdp,
    /// It could not be looked at; why.
    Unseen(String),
}

impl fmt::Display for NotPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameNamespace => f.write_str("its other end is in this network namespace"),
            Self::NativeXdp => f.write_str("its other end has a native XDP program"),
            Self::Unseen(why) => write!(f, "its other end cannot be looked at: {why}"),
        }
    }
}

impl Way {
    /// The way to a port of this network namespace. `ask` looks an interface up in the namespace with that id; `None`: there is
    /// no such interface.
    pub(super) fn of(port: &Link, ask: impl FnOnce(i32, u32) -> io::Result<Option<Link>>) -> Self {
        if port.kind != LinkKind::Veth {
            return Self { method: Method::Redirect(None), most: longest(port.mtu) };
        }
        match far_end(port, ask) {
            Ok(far) => Self {
                method: Method::Peer { mac: far.mac.into() },
                // By the bridge, the driver would hold the frame against the other end's MTU as well.
                most: longest(port.mtu.min(far.mtu)),
            },
            Err(why) => Self { method: Method::Redirect(Some(why)), most: longest(port.mtu) },
        }
    }

    /// What the gate is told of a port that frames reach so.
    pub fn told(&self, port: GatePort) -> GatePort {
        match self.method {
            Method::Peer { mac } => port.with_way(ToPort::Peer, mac.to_u64(), self.most),
            Method::Redirect(_) => port.with_way(ToPort::Redirect, 0, self.most),
        }
    }
}

/// The other end of a veth, if frames may be taken into it.
fn far_end(
    port: &Link,
    ask: impl FnOnce(i32, u32) -> io::Result<Option<Link>>,
) -> Result<Link, NotPeer> {
    let unseen = |why: &str| NotPeer::Unseen(why.to_owned());
    let Some(Peer { ifindex, netns_id }) = port.peer else {
        return Err(unseen("the kernel does not name it"));
    };
    let netns_id = netns_id.ok_or(NotPeer::SameNamespace)?;
    let far = ask(netns_id, ifindex).map_err(|error| NotPeer::Unseen(error.to_string()))?;
    // It may have moved between the two questions, and another interface have its index there.
    let back = |far: &Link| far.peer.is_some_and(|back| back.ifindex == port.ifindex);
    let far = far.filter(|far| far.kind == LinkKind::Veth && back(far));
    let far = far.ok_or_else(|| unseen("it has just moved"))?;
    if far.xdp.native != 0 || far.xdp.hardware != 0 {
        return Err(NotPeer::NativeXdp);
    }
    if far.mac == [0; 6] {
        return Err(unseen("it has no address"));
    }
    Ok(far)
}

const fn longest(mtu: u32) -> u32 {
    mtu.saturating_add(HEADER)
}

#[cfg(test)]
mod tests {
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

    fn way(port: &Link, answer: io::Result<Option<Link>>) -> Way {
        Way::of(port, |netns_id, ifindex| {
            assert_eq!((netns_id, ifindex), (NETNS, 2));
            answer
        })
    }

    fn why_not(answer: io::Result<Option<Link>>) -> String {
        match way(&port(), answer) {
            Way { method: Method::Redirect(Some(why)), most: 1518 } => why.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn never(_: i32, _: u32) -> io::Result<Option<Link>> {
        panic!("there is nobody to ask")
    }

    #[test]
    fn a_veth_into_another_namespace_takes_frames_to_the_other_ends_mac() {
        let way = way(&port(), Ok(Some(far())));
        assert_eq!(way, Way { method: Method::Peer { mac: Mac::from(MAC) }, most: 1518 });
        let port = way.told(GatePort::default());
        assert_eq!(port.method_for(0x0200_0000_00fe), Some(ToPort::Peer));
        assert_eq!(port.method_for(0x0200_0000_00ff), Some(ToPort::Redirect));
    }

    #[test]
    fn the_shorter_end_bounds_a_frame() {
        let most = |near, far_mtu| {
            let port = Link { mtu: near, ..port() };
            way(&port, Ok(Some(Link { mtu: far_mtu, ..far() }))).most
        };
        assert_eq!((most(9000, 1500), most(1500, 9000), most(9000, 9000)), (1518, 1518, 9018));
        let tap = Link { mtu: u32::MAX, ..link(8, "tap8", LinkKind::Tap) };
        assert_eq!(Way::of(&tap, never).most, u32::MAX);
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
        let why = NotPeer::Unseen("the kernel does not name it".to_owned());
        assert_eq!(Way::of(&unnamed, never).method, Method::Redirect(Some(why)));
    }

    #[test]
    fn everything_else_is_redirected_to() {
        let peer = Some(Peer { ifindex: 6, netns_id: None });
        let near = Link { peer, ..port() };
        let same = Some(NotPeer::SameNamespace);
        assert_eq!(Way::of(&near, never).method, Method::Redirect(same));
        for kind in [LinkKind::Tap, LinkKind::Physical, LinkKind::Other("bond".to_owned())] {
            let way = Way::of(&link(7, "p7", kind), never);
            assert_eq!(way, Way { method: Method::Redirect(None), most: 1518 });
            let told = way.told(GatePort::default());
            assert_eq!(told.method_for(0), Some(ToPort::Redirect));
        }
    }
}
