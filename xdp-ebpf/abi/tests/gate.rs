//! The decision over tables in plain memory: every rule, their order, and, for frames and bridges
//! made at random, that what is steered leaves as a Linux bridge would have sent it.
//!
//! The same decision in the kernel, on the same frames: `tests/tests/gate_program.rs`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "gate/bridge.rs"]
mod bridge;
#[path = "gate/cases.rs"]
mod cases;
mod frames;
#[path = "gate/locks.rs"]
mod locks;
#[path = "gate/oracle.rs"]
mod oracle;
#[path = "gate/order.rs"]
mod order;
#[path = "gate/stations.rs"]
mod stations;
#[path = "gate/steering.rs"]
mod steering;
#[path = "gate/vlans.rs"]
mod vlans;
#[path = "gate/world.rs"]
mod world;

use weir_abi::table::entry_flags;
use weir_abi::{Counter, Decision, Storm, Tag, gate_flags as g};

use frames::{DST, SRC};
use world::{PortSpec, Shot, World};

/// Where the frames of these tests enter, and where their destination is.
const IN: u16 = 3;
const OUT: u16 = 7;
const QUEUE: u16 = 2;

/// Two ports of a bridge that knows both stations, and a worker: everything is steered.
fn world() -> World {
    let spec = PortSpec { flags: g::OFFLOAD, pvid: 0, queue: QUEUE, storm: Storm::default() };
    let mut world = World::default();
    world.ports.insert(IN, spec);
    world.ports.insert(OUT, PortSpec { queue: QUEUE + 1, ..spec });
    world.addresses.insert((SRC, 0), (IN, 0));
    world.addresses.insert((DST, 0), (OUT, 0));
    world.workers.insert(QUEUE);
    world
}

/// The same with VLANs: 100 untagged at both, and 200 tagged at both.
fn vlan_world() -> World {
    let mut world = world();
    world.addresses.clear();
    for (slot, mac) in [(IN, SRC), (OUT, DST)] {
        set(&mut world, slot, g::VLAN_AWARE);
        world.ports.get_mut(&slot).unwrap().pvid = 100;
        world.vlans.insert((slot, 100), true);
        world.vlans.insert((slot, 200), false);
        world.addresses.insert((mac, 100), (slot, 0));
        world.addresses.insert((mac, 200), (slot, 0));
    }
    world
}

/// Sets flags of a port.
fn set(world: &mut World, slot: u16, flags: u32) {
    world.ports.get_mut(&slot).unwrap().flags |= flags;
}

fn clear(world: &mut World, slot: u16, flags: u32) {
    world.ports.get_mut(&slot).unwrap().flags &= !flags;
}

/// A frame of the corpus.
fn corpus(name: &str) -> Vec<u8> {
    let found = frames::all().into_iter().find(|(of, _)| of == name);
    found.unwrap_or_else(|| panic!("no frame {name}")).1
}

fn udp() -> Shot {
    Shot::of(&corpus("ipv4-udp-full-0065"))
}

fn to(dst: [u8; 6], mut shot: Shot) -> Shot {
    shot.linear[..6].copy_from_slice(&dst);
    shot
}

fn from(src: [u8; 6], mut shot: Shot) -> Shot {
    shot.linear[6..12].copy_from_slice(&src);
    shot
}

fn tagged(proto: u16, tci: u16) -> Shot {
    Shot { beside: Some(Tag { proto, tci }), ..udp() }
}

/// Decides, and checks what must hold of every decision: room is taken for a steered frame, once,
/// and for no other.
#[track_caller]
fn decided(world: &World, shot: &Shot) -> Decision {
    let decision = world.decide(IN, shot);
    let taken = world.asked.room.borrow();
    if decision.outcome == Counter::Steered {
        assert_eq!(*taken, [(IN, decision.queue, decision.places)]);
        assert!(decision.places > 0);
    } else {
        assert!(taken.is_empty() && decision.places == 0, "{decision:?}");
    }
    decision
}

#[track_caller]
fn outcome(world: &World, shot: &Shot, expected: Counter) {
    let decision = decided(world, shot);
    assert_eq!(decision.outcome, expected, "{decision:?}");
}

#[track_caller]
fn steered(world: &World, shot: &Shot, tag: Option<Tag>) -> Decision {
    let decision = decided(world, shot);
    let got = (decision.outcome, decision.egress, decision.queue, decision.tag);
    assert_eq!(got, (Counter::Steered, OUT, QUEUE, tag), "{decision:?}");
    decision
}

fn local(world: &mut World, mac: [u8; 6], vlan: u16) {
    world.addresses.insert((mac, vlan), (OUT, entry_flags::LOCAL));
}
