//! The gate's data in these tests: a bridge of two ports, and variations of it. Invariant: frames enter
//! at [`IN`]; the corpus's destination is behind [`OUT`].

use weir_abi::table::{ELSEWHERE, entry_flags};
use weir_abi::{Method, Storm, gate_flags as g};

use crate::frames::{DST, SRC};
use crate::world::{PortSpec, World};

pub(crate) const IN: u16 = 3;
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

/// Numbers that are the same every time.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

const VLANS: [u16; 4] = [63, 100, 200, 4094];

pub(crate) fn random_world(noise: &mut Noise) -> World {
    let filters = noise.one_in(2);
    let mut world = World {
        storm: noise.one_in(4),
        full: noise.one_in(16),
        unsettled: noise.one_in(4),
        at_bridge: noise.one_in(4),
        outdated: noise.one_in(16),
        ..World::default()
    };
    for slot in [IN, OUT, THIRD] {
        let rare = (0..9).filter(|_| noise.one_in(12)).fold(0, |flags, bit| flags | 1 << bit);
        let other = if noise.one_in(12) { 0 } else { g::OFFLOAD };
        let aware = if filters { g::VLAN_AWARE } else { 0 };
        let express = noise.of(&[0, g::EXPRESS_FROM]);
        if !noise.one_in(3) {
            let method = noise.of(&[Method::Peer, Method::Redirect]);
            world.ways.insert(slot, (method, noise.of(&[SRC, DST]), noise.of(&[60, 1514])));
        }
        let spec = PortSpec {
            flags: rare ^ other ^ aware | express,
            pvid: noise.of(&[0, 100, 100, 200, 63]),
            queue: noise.of(&[QUEUE, QUEUE, 63, 64]),
            // A rate that no test run reaches, so that only the world's own limit applies.
            storm: Storm { frame_ns: 1, burst: 1000 },
        };
        world.ports.insert(slot, spec);
        for vlan in VLANS {
            if !noise.one_in(5) {
                world.vlans.insert((slot, vlan), noise.one_in(2));
            }
        }
    }
    for (mac, slot) in [(SRC, IN), (DST, OUT), ([2, 0, 0, 0, 0, 9], THIRD)] {
        for vlan in [0, 63, 100, 200, 4094] {
            let port = if noise.one_in(8) { noise.of(&[IN, OUT, ELSEWHERE, 900]) } else { slot };
            let flags = if noise.one_in(12) { entry_flags::LOCAL } else { 0 };
            if !noise.one_in(12) {
                world.addresses.insert((mac, vlan), (port, flags));
            }
        }
    }
    if noise.one_in(2) {
        world.macs.insert((IN, SRC));
    }
    if noise.one_in(2) {
        world = own_addresses(world);
    }
    if noise.one_in(8) {
        world.shed.insert((IN, noise.of(&[OUT, THIRD])));
    }
    world.still.extend([QUEUE, 63].into_iter().filter(|_| noise.one_in(8)));
    world.workers.extend([QUEUE, 63].into_iter().filter(|_| !noise.one_in(8)));
    world
}

/// Lengths to cut a frame to: for a long payload each 13th, so that every remainder still occurs.
pub(crate) fn lengths(frame: &[u8]) -> impl Iterator<Item = usize> {
    let whole = frame.len();
    (0..=whole).filter(move |n| *n < 200 || n.is_multiple_of(13) || *n == whole)
}
