//! How the gate can hand frames to a port itself.
//!
//! `bpf_redirect_peer` takes a frame into the other end of a veth within the same soft interrupt. It
//! takes a device whose other end is in another network namespace, and drops the frame otherwise. It
//! delivers every frame as one for that host, so the gate uses it for frames to the other end's own
//! MAC only. It passes by what stands in front of the other end's stack:
//!
//! - the veth driver's check of the length (`is_skb_forwardable` with the other end's MTU), hence
//!   [`ExpressPath::max_len`];
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
pub struct ExpressPath {
    pub method: Method,
    /// The longest frame, without a tag that travels beside it, that would reach the port by the
    /// bridge. It does not hold for superframes.
    pub max_len: u32,
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

impl ExpressPath {
    /// The path to a port of this network namespace. `ask` looks an interface up in the namespace with
    /// that id; `None`: there is no such interface.
    pub(super) fn of(port: &Link, ask: impl FnOnce(i32, u32) -> io::Result<Option<Link>>) -> Self {
        if port.kind != LinkKind::Veth {
            return Self { method: Method::Redirect(None), max_len: longest(port.mtu) };
        }
        match far_end(port, ask) {
            Ok(far) => Self {
                method: Method::Peer { mac: far.mac.into() },
                // By the bridge, the driver would hold the frame against the other end's MTU as well.
                max_len: longest(port.mtu.min(far.mtu)),
            },
            Err(why) => Self { method: Method::Redirect(Some(why)), max_len: longest(port.mtu) },
        }
    }

    /// What the gate is told of a port that frames reach so.
    pub fn apply_to(&self, port: GatePort) -> GatePort {
        match self.method {
            Method::Peer { mac } => port.with_way(ToPort::Peer, mac.to_u64(), self.max_len),
            Method::Redirect(_) => port.with_way(ToPort::Redirect, 0, self.max_len),
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
mod tests;
