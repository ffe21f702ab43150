//! How the gate can hand frames to a port without a worker.
//!
//! `bpf_redirect_peer` takes a frame into the other end of a veth within the same soft interrupt. It
//! works for a device whose other end is in another network namespace, and drops the frame otherwise.
//! It delivers every frame as one for that host, so the gate uses it only for frames to the other end's
//! own MAC. Of what precedes the other end's stack, it bypasses:
//!
//! - the veth driver's check of the length (`is_skb_forwardable` with the other end's MTU), hence
//!   [`ExpressPath::max_len`];
//! - a native XDP program there, which runs in the driver's poll: a port with one gets
//!   `bpf_redirect`, which goes through the driver;
//! - not a generic XDP program: `__netif_receive_skb_core` goes back to `another_round` with the other
//!   end as the device, and calls `do_xdp_generic` there, before taps and tcx. The program behind the
//!   gate, on weir's own pair, runs in this very way.
//!
//! Invariant: [`Method::Peer`] is chosen only for a veth whose other end was read and confirmed to be
//! the other end of this one.

use std::io;

use weir_abi::{GatePort, Method as ToPort};
use weir_core::Mac;

use super::{Link, LinkKind, Peer};

/// Ethernet header and one tag: the kernel's allowance beyond an MTU (`is_skb_forwardable`), whether a
/// frame has a tag or not.
const HEADER: u32 = 14 + 4;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressPath {
    pub method: Method,
    /// The longest frame, but for superframes, that would reach the port by the bridge; a tag beside it does
    /// not count.
    pub max_len: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `bpf_redirect_peer`, for frames to the MAC of the port's other end.
    Peer { mac: Mac },
    /// `bpf_redirect`, which works for any device; for a veth, with the reason why it is not `Peer`.
    Redirect(Option<String>),
}

impl ExpressPath {
    /// The path to a port of this network namespace. `ask` looks an interface up in the one with that id.
    pub(super) fn of(port: &Link, ask: impl FnOnce(i32, u32) -> io::Result<Option<Link>>) -> Self {
        if port.kind != LinkKind::Veth {
            return Self { method: Method::Redirect(None), max_len: longest(port.mtu) };
        }
        match far_end(port, ask) {
            Ok(far) => Self {
                method: Method::Peer { mac: Mac::new(far.mac) },
                // By the bridge, the driver would check against the other end's MTU as well.
                max_len: longest(port.mtu.min(far.mtu)),
            },
            Err(why) => Self { method: Method::Redirect(Some(why)), max_len: longest(port.mtu) },
        }
    }

    /// Writes the path into the gate's entry for the port.
    pub fn apply_to(&self, port: GatePort) -> GatePort {
        match self.method {
            Method::Peer { mac } => port.with_way(ToPort::Peer, mac.to_u64(), self.max_len),
            Method::Redirect(_) => port.with_way(ToPort::Redirect, 0, self.max_len),
        }
    }
}

/// The other end of a veth, if frames may be redirected into it.
fn far_end(
    port: &Link,
    ask: impl FnOnce(i32, u32) -> io::Result<Option<Link>>,
) -> Result<Link, String> {
    let unseen = |why: &str| format!("its other end cannot be looked at: {why}");
    let Some(Peer { ifindex, netns_id }) = port.peer else {
        return Err(unseen("the kernel does not name it"));
    };
    let netns_id = netns_id.ok_or("its other end is in this network namespace")?;
    let far = ask(netns_id, ifindex).map_err(|error| unseen(&error.to_string()))?;
    // It may have moved between the two requests, and another interface may have its index there.
    let back = |far: &Link| far.peer.is_some_and(|back| back.ifindex == port.ifindex);
    let far = far.filter(|far| far.kind == LinkKind::Veth && back(far));
    let far = far.ok_or_else(|| unseen("it has just moved"))?;
    if far.xdp.native != 0 || far.xdp.hardware != 0 {
        return Err("its other end has a native XDP program".to_owned());
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
