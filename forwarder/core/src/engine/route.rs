//! Where a packet goes. Invariant: a decision from the per-port cache is the one the FDB would give,
//! because every change of the FDB or of the ports makes a new generation, and an entry's end is
//! remembered with it.

use super::Engine;
use crate::{Mac, Packet, PortId, PortSet, Reason};

/// A run of equal headers refreshes its FDB entry this often, not with every packet.
const REFRESH_NS: u64 = 1_000_000;

/// What a packet's way depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub dst: Mac,
    pub src: Mac,
    /// Outermost VLAN id, 0 when untagged; only the low 12 bits count.
    pub vlan: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    To(PortId),
    /// One copy to each; never empty, never with the ingress port.
    Flood(PortSet),
    Drop(Reason),
}

/// The last decision for one ingress port.
#[derive(Clone, Copy)]
pub(super) struct Last {
    key: Key,
    generation: u64,
    until_ns: u64,
    route: Route,
}

/// A `Decision` without the set, which follows from the ports there are.
#[derive(Clone, Copy)]
enum Route {
    To(PortId),
    Flood,
    Drop(Reason),
}

impl Last {
    pub(super) const NEVER: Self = Self {
        key: Key { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0 },
        generation: u64::MAX,
        until_ns: 0,
        route: Route::Flood,
    };
}

impl<P: Packet> Engine<P> {
    /// Where a packet that came in by `ingress` goes; its source address is learned on the way.
    #[inline]
    pub fn decide(&mut self, now: u64, ingress: PortId, key: &Key) -> Decision {
        let route = match self.last.get(ingress.index()) {
            Some(last)
                if last.key == *key
                    && last.generation == self.fdb.generation()
                    && now < last.until_ns =>
            {
                last.route
            }
            _ => self.route(now, ingress, key),
        };
        match route {
            Route::To(port) => Decision::To(port),
            Route::Drop(reason) => Decision::Drop(reason),
            Route::Flood => {
                let mut to = self.ports;
                to.remove(ingress);
                if to.is_empty() { Decision::Drop(Reason::NoEgress) } else { Decision::Flood(to) }
            }
        }
    }

    #[inline(never)]
    fn route(&mut self, now: u64, ingress: PortId, key: &Key) -> Route {
        if !self.ports.contains(ingress) {
            return Route::Drop(Reason::PortGone);
        }
        self.fdb.learn(now, key.src, key.vlan, ingress);
        let mut until_ns = now.saturating_add(REFRESH_NS.min(self.fdb.ageing_ns() / 8));
        let known = if key.dst.is_multicast() {
            None
        } else {
            self.fdb.lookup_until(now, key.dst, key.vlan)
        };
        let route = match known {
            None => Route::Flood,
            Some((port, _)) if port == ingress => Route::Drop(Reason::NoEgress),
            Some((port, _)) if !self.ports.contains(port) => Route::Drop(Reason::PortGone),
            Some((port, _)) => Route::To(port),
        };
        if let Some((_, expires_ns)) = known {
            until_ns = until_ns.min(expires_ns);
        }
        if let Some(last) = self.last.get_mut(ingress.index()) {
            *last = Last { key: *key, generation: self.fdb.generation(), until_ns, route };
        }
        route
    }
}
