//! The tables and frames of the decision in plain memory; shared with the test that runs the loaded
//! program (`tests/tests/gate_program.rs`).
//! Invariant: a table says what was put into it and nothing else, and keeps what it was asked for
//! that changes it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_abi::door::{PER_BYTE_BITS, SOURCE_DOORS};
use weir_abi::gate::UNTAGGED;
use weir_abi::table::{self, Entry, Place, Seed};
use weir_abi::{
    Bytes as _, Decision, Frame, GatePort, MAX_WORKERS, Method, Storm, Tables, Tag, Through, decide,
};

pub(crate) const SEED: Seed = Seed { xor: 0x5eed_0000_1234, multiply: 0x9e37_79b9_7f4a_7c15 };

/// Of 1 Gbit/s.
pub(crate) const PER_BYTE: u64 = 8 << PER_BYTE_BITS;

pub(crate) fn mac_number(mac: [u8; 6]) -> u64 {
    mac.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A port as a test describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortSpec {
    pub(crate) flags: u32,
    pub(crate) pvid: u16,
    pub(crate) queue: u16,
    pub(crate) storm: Storm,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) ports: BTreeMap<u16, PortSpec>,
    /// By slot: how the gate gets a frame there, the other end's address, and the longest frame.
    pub(crate) ways: BTreeMap<u16, (Method, [u8; 6], u32)>,
    /// By address and VLAN: the port, and flags of `entry_flags`.
    pub(crate) addresses: BTreeMap<([u8; 6], u16), (u16, u8)>,
    /// By slot and VLAN: whether frames leave untagged.
    pub(crate) vlans: BTreeMap<(u16, u16), bool>,
    pub(crate) macs: BTreeSet<(u16, [u8; 6])>,
    pub(crate) ips: BTreeSet<(u16, [u8; 16])>,
    pub(crate) shed: BTreeSet<(u16, u16)>,
    pub(crate) workers: BTreeSet<u16>,
    /// Queues whose workers stand still.
    pub(crate) still: BTreeSet<u16>,
    /// User space has been away for long.
    pub(crate) outdated: bool,
    /// The limits have been reached.
    pub(crate) storm: bool,
    pub(crate) full: bool,
    /// Something of the source is under way by a worker; by the bridge.
    pub(crate) unsettled: bool,
    pub(crate) at_bridge: bool,
    /// Rated links, and whether a frame may go there now.
    pub(crate) rated: BTreeMap<u16, bool>,
    /// Likewise of sources with a rate of their own.
    pub(crate) capped: BTreeMap<u16, bool>,
    /// What goes through a door would be too early.
    pub(crate) early: bool,
    /// What was asked for.
    pub(crate) asked: Asked,
}

/// What a decision changed.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) storms: Cell<u32>,
    pub(crate) settled: Cell<u32>,
    pub(crate) seen: RefCell<Vec<Place>>,
    /// Slot, queue, places.
    pub(crate) room: RefCell<Vec<(u16, u16, u32)>>,
    /// Links that were left to their workers.
    pub(crate) closed: RefCell<Vec<u32>>,
}

impl World {
    pub(crate) fn gate_port(&self, slot: u16) -> Option<GatePort> {
        let spec = self.ports.get(&slot)?;
        let ifindex = 1000 + u32::from(slot);
        let port = GatePort::new(ifindex, spec.flags, spec.pvid, spec.queue, spec.storm);
        let port = port.with_rate(if self.rated.contains_key(&slot) { PER_BYTE } else { 0 });
        let own = if self.capped.contains_key(&slot) { (PER_BYTE, 1_000_000) } else { (0, 0) };
        let port = port.with_own_rate(own.0, own.1);
        Some(match self.ways.get(&slot) {
            Some(&(method, mac, most)) => port.with_way(method, mac_number(mac), most),
            None => port,
        })
    }

    pub(crate) fn place_of(mac: [u8; 6], vlan: u16) -> Place {
        SEED.place(table::key(mac_number(mac), vlan))
    }

    /// The table's words.
    pub(crate) fn entries(&self) -> HashMap<Place, Entry> {
        let entry = |(&(mac, vlan), &(port, flags)): (&([u8; 6], u16), &(u16, u8))| {
            let place = Self::place_of(mac, vlan);
            (place, Entry::new(place, port, flags))
        };
        self.addresses.iter().map(entry).collect()
    }

    /// Whether a link's or a source's door is open.
    fn door(&self, door: u32) -> bool {
        let of = if door < SOURCE_DOORS { &self.rated } else { &self.capped };
        of.get(&((door % SOURCE_DOORS) as u16)).copied().unwrap_or(false)
    }

    /// Decides on a frame that entered at `slot`.
    pub(crate) fn decide(&self, slot: u16, frame: &Shot) -> Decision {
        self.asked.storms.set(0);
        self.asked.settled.set(0);
        self.asked.seen.borrow_mut().clear();
        self.asked.room.borrow_mut().clear();
        self.asked.closed.borrow_mut().clear();
        decide(frame, slot, &self.gate_port(slot).unwrap_or_default(), self)
    }
}

impl Tables for World {
    fn mac_allowed(&self, slot: u16, mac: u64) -> bool {
        self.macs.iter().any(|(port, own)| *port == slot && mac_number(*own) == mac)
    }
    fn ip_allowed(&self, slot: u16, address: [u8; 16]) -> bool {
        self.ips.contains(&(slot, address))
    }
    fn is_current(&self) -> bool {
        !self.outdated
    }
    fn place(&self, key: u64) -> Place {
        SEED.place(key)
    }
    fn find(&self, place: Place) -> Entry {
        self.entries().get(&place).copied().unwrap_or(Entry::EMPTY)
    }
    fn find_source(&self, place: Place, slot: u16) -> Entry {
        let entry = self.find(place);
        if !entry.is_empty() && entry.port() == slot {
            self.asked.seen.borrow_mut().push(place);
        }
        entry
    }
    fn port(&self, slot: u16) -> Option<GatePort> {
        self.gate_port(slot)
    }
    fn vlans(&self, slot: u16, word: usize) -> u64 {
        let bit = |(&(port, vlan), &untagged): (&(u16, u16), &bool)| {
            let (at, bit) = (usize::from(vlan / 64), 1 << (vlan % 64));
            let asked = word == at || untagged && word == UNTAGGED + at;
            if port == slot && asked { bit } else { 0 }
        };
        self.vlans.iter().map(bit).fold(0, |word, bit| word | bit)
    }
    fn is_shed(&self, ingress: u16, egress: u16) -> bool {
        self.shed.contains(&(ingress, egress))
    }
    fn storm_allows(&self, _slot: u16, _storm: Storm) -> bool {
        self.asked.storms.set(self.asked.storms.get() + 1);
        !self.storm
    }
    fn has_worker(&self, queue: u16) -> bool {
        self.workers.contains(&queue)
    }
    fn is_awake(&self, queue: u16) -> bool {
        u32::from(queue) < MAX_WORKERS && !self.still.contains(&queue)
    }
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool {
        if !self.full {
            self.asked.room.borrow_mut().push((slot, queue, places));
        }
        !self.full
    }
    fn is_at_bridge(&self, _slot: u16) -> bool {
        self.at_bridge
    }
    fn is_settled(&self, _slot: u16) -> bool {
        self.asked.settled.set(self.asked.settled.get() + 1);
        !self.unsettled
    }
    fn is_open(&self, door: u32) -> bool {
        self.door(door)
    }
    fn draw(&self, door: u32, bytes: u32, per_byte: u64, ahead_ns: u64) -> bool {
        assert!(bytes > 0 && per_byte > 0 && ahead_ns > 0, "drawn on where there is a rate");
        assert!(self.door(door), "asked of an open one only");
        !self.early
    }
    fn close(&self, door: u32) {
        self.asked.closed.borrow_mut().push(door);
    }
}

/// A frame, whole or only its linear part, and what the kernel knows beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shot {
    pub(crate) linear: Vec<u8>,
    /// Bytes behind the linear part.
    pub(crate) behind: usize,
    /// The tag that travels beside the bytes.
    pub(crate) beside: Option<Tag>,
    /// Where no tag travels beside, the first of the bytes is the outer one, as in the driver.
    pub(crate) native: bool,
    pub(crate) redirected: bool,
    pub(crate) gso_size: u16,
    pub(crate) gso_type: u32,
}

impl Shot {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { linear: bytes.to_vec(), ..Self::default() }
    }

    fn inner_tag(&self) -> Option<Tag> {
        let proto = self.linear.be16(12).filter(|kind| [0x8100, 0x88a8].contains(kind))?;
        Some(Tag { proto, tci: self.linear.be16(14)? })
    }
}

impl Through for Shot {
    type Bytes = [u8];
    fn bytes(&self) -> &[u8] {
        &self.linear
    }
    fn whole_len(&self) -> usize {
        self.linear.len() + self.behind
    }
}

impl Frame for Shot {
    fn tag(&self) -> Option<Tag> {
        if self.native { self.inner_tag() } else { self.beside }
    }
    fn tag_is_inside(&self) -> bool {
        self.native
    }
    fn slips_past_xdp(&self) -> bool {
        self.redirected
    }
    fn gso_size(&self) -> u16 {
        self.gso_size
    }
    fn gso_type(&self) -> u32 {
        assert!(self.gso_size != 0, "asked for superframes only");
        self.gso_type
    }
}

/// The bytes as they stand on a wire with that outer tag.
pub(crate) fn with_tag(bytes: &[u8], tag: Option<Tag>) -> Vec<u8> {
    let Some(tag) = tag else { return bytes.to_vec() };
    let (addresses, rest) = bytes.split_at(12);
    [addresses, &tag.proto.to_be_bytes(), &tag.tci.to_be_bytes(), rest].concat()
}
