//! What the gate is told in these tests: a bridge of two ports, and variations of it.
//! Invariant: frames enter at [`IN`]; the corpus's destination is behind [`OUT`].

use weir_abi::{Storm, gate_flags as g};

use crate::harness::{DST, SLOT, SRC};
use crate::world::{PortSpec, World};

pub(crate) const IN: u16 = SLOT;
pub(crate) const OUT: u16 = 700;
pub(crate) const THIRD: u16 = 64;
/// A frame that runs behind the gate comes in by `lo`'s only queue.
pub(crate) const QUEUE: u16 = 0;

/// Two ports of a bridge that knows both stations, and a worker: everything is steered.
pub(crate) fn base() -> World {
    let spec = PortSpec { flags: g::OFFLOAD, pvid: 0, queue: QUEUE, storm: Storm::default() };
    let mut world = World::default();
    world.ports.extend([(IN, spec), (OUT, spec)]);
    world.addresses.extend([((SRC, 0), (IN, 0)), ((DST, 0), (OUT, 0))]);
    world.workers.insert(QUEUE);
    world
}

/// The same with VLANs: 100 untagged at both, 200 tagged.
pub(crate) fn vlans() -> World {
    let mut world = base();
    for (slot, mac) in [(IN, SRC), (OUT, DST)] {
        let port = PortSpec { flags: g::OFFLOAD | g::VLAN_AWARE, pvid: 100, ..world.ports[&slot] };
        world.ports.insert(slot, port);
        world.vlans.extend([((slot, 100), true), ((slot, 200), false)]);
        world.addresses.extend([((mac, 100), (slot, 0)), ((mac, 200), (slot, 0))]);
    }
    world
}

/// The same with more flags at every port.
pub(crate) fn with(mut world: World, flags: u32) -> World {
    for port in world.ports.values_mut() {
        port.flags |= flags;
    }
    world
}

/// The same with the corpus's senders allowed.
pub(crate) fn own_addresses(mut world: World) -> World {
    let mut v4 = [0; 16];
    v4[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 5]);
    let mut v6 = [0; 16];
    v6[..4].copy_from_slice(&[0xfd, 0, 0, 1]);
    v6[15] = 5;
    world.ips.extend([(IN, v4), (IN, v6)]);
    world
}
