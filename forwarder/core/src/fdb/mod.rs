//! Who is behind which port, per (VLAN, MAC). An open-addressing table with linear probing: no
//! allocation after `new`, no tombstones (a deletion shifts its followers back).
//! Invariant: an entry stands at most `MAX_PROBE` slots after its home, with no empty slot between.
//!
//! Collision flooding: the hash is keyed with a seed the caller draws at random, so a guest cannot
//! aim its addresses at one slot; if it does find the seed, learning fails for those addresses
//! (they are flooded), while a look-up still reads no more than `MAX_PROBE` slots.

mod journal;

use std::fmt;

pub use journal::FdbChange;

use self::journal::stale;
use crate::{Mac, PortId};

/// Slots a look-up reads at most. At half load, runs this long do not happen by chance.
const MAX_PROBE: usize = 128;

const OCCUPIED: u64 = 1 << 63;
const VLAN_MASK: u16 = 0x0fff;

#[derive(Clone, Copy)]
struct Slot {
    /// `OCCUPIED | mac << 12 | vlan`, 0 when empty.
    key: u64,
    seen_ns: u64,
    port: PortId,
    is_static: bool,
    /// In the journal already.
    noted: bool,
}

const EMPTY: Slot = Slot { key: 0, seen_ns: 0, port: PortId(0), is_static: false, noted: false };

/// What `learn` did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// Already there; its time was refreshed.
    Known,
    New,
    /// It was behind another port until now.
    Moved {
        from: PortId,
    },
    /// No room: the address stays unknown and its traffic is flooded.
    Full,
    /// Not an address to learn (group address or zero), or pinned elsewhere by a static entry.
    Ignored,
}

/// One row of the table, for display.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbEntry {
    pub mac: Mac,
    pub vlan: u16,
    pub port: PortId,
    pub is_static: bool,
    /// When its owner was last heard; 0 for a static one.
    pub seen_ns: u64,
}

pub struct Fdb {
    slots: Box<[Slot]>,
    shift: u32,
    seed: u64,
    capacity: usize,
    ageing_ns: u64,
    len: usize,
    /// Where `age` goes on.
    cursor: usize,
    generation: u64,
    /// Keys of what changed since the changes were taken last.
    journal: Vec<u64>,
    /// More than the journal holds.
    overflowed: bool,
}

impl Fdb {
    pub const DEFAULT_CAPACITY: usize = 16_384;
    pub const DEFAULT_AGEING_NS: u64 = 300_000_000_000;

    /// Bytes set aside.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of_val(&*self.slots) + self.journal.capacity() * size_of::<u64>()
    }

    /// Learns at most `capacity` addresses and forgets each `ageing_ns` after it was last heard.
    /// `seed` must not be guessable by guests.
    #[must_use]
    pub fn new(capacity: usize, ageing_ns: u64, seed: u64) -> Self {
        let size = capacity.max(8).saturating_mul(2).next_power_of_two();
        Self {
            slots: vec![EMPTY; size].into_boxed_slice(),
            shift: 64 - size.trailing_zeros(),
            seed,
            capacity,
            ageing_ns,
            len: 0,
            cursor: 0,
            generation: 0,
            journal: Vec::with_capacity(Self::JOURNAL),
            overflowed: false,
        }
    }

    /// Changes whenever an answer of `lookup` may have changed other than by time: what was looked
    /// up before then must not be used any more.
    #[inline]
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes everybody look up again.
    pub fn invalidate(&mut self) {
        self.generation += 1;
    }

    /// Entries in the table, those included that are too old and not yet collected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[must_use]
    pub fn ageing_ns(&self) -> u64 {
        self.ageing_ns
    }

    pub fn set_ageing(&mut self, ageing_ns: u64) {
        self.ageing_ns = ageing_ns;
        self.invalidate();
    }

    /// A packet from `mac` came in by `port`.
    pub fn learn(&mut self, now: u64, mac: Mac, vlan: u16, port: PortId) -> Learned {
        if mac.is_multicast() || mac == Mac::ZERO {
            return Learned::Ignored;
        }
        let key = key(mac, vlan);
        let ageing_ns = self.ageing_ns;
        match self.find(key) {
            Found::At(at) => {
                let Some(slot) = self.slots.get_mut(at) else { return Learned::Ignored };
                if slot.is_static {
                    return if slot.port == port { Learned::Known } else { Learned::Ignored };
                }
                let (expired, from) = (slot.expired(now, ageing_ns), slot.port);
                let stale = stale(key, slot.seen_ns, now, ageing_ns);
                slot.seen_ns = now;
                slot.port = port;
                if !expired && from == port {
                    if stale {
                        self.note(at);
                    }
                    return Learned::Known;
                }
                self.generation += 1;
                self.note(at);
                if expired { Learned::New } else { Learned::Moved { from } }
            }
            Found::Free(at) if self.len < self.capacity => {
                self.fill(at, Slot { key, seen_ns: now, port, ..EMPTY });
                Learned::New
            }
            Found::Free(_) | Found::Nowhere => Learned::Full,
        }
    }

    /// The port behind which `mac` was heard within the ageing time, or is pinned.
    #[inline]
    #[must_use]
    pub fn lookup(&self, now: u64, mac: Mac, vlan: u16) -> Option<PortId> {
        self.lookup_until(now, mac, vlan).map(|(port, _)| port)
    }

    /// Likewise, with the time at which the answer ends if nothing more is heard.
    #[inline]
    #[must_use]
    pub fn lookup_until(&self, now: u64, mac: Mac, vlan: u16) -> Option<(PortId, u64)> {
        let Found::At(at) = self.find(key(mac, vlan)) else { return None };
        let slot = self.slots.get(at)?;
        let until = slot.expires(self.ageing_ns);
        (now < until).then_some((slot.port, until))
    }

    /// Pins an address to a port: never aged, never moved by traffic. May exceed the capacity for
    /// learned ones; false when there is no room even so.
    #[must_use]
    pub fn insert_static(&mut self, mac: Mac, vlan: u16, port: PortId) -> bool {
        let key = key(mac, vlan);
        let pinned = Slot { key, port, is_static: true, ..EMPTY };
        match self.find(key) {
            Found::At(at) => {
                if let Some(slot) = self.slots.get_mut(at) {
                    *slot = Slot { noted: slot.noted, ..pinned };
                }
                self.generation += 1;
                self.note(at);
                true
            }
            // A quarter stays empty, or probing would get long.
            Found::Free(at) if self.len < self.slots.len() / 4 * 3 => {
                self.fill(at, pinned);
                true
            }
            Found::Free(_) | Found::Nowhere => false,
        }
    }

    /// Forgets one address, learned or static; false when it was not there.
    pub fn remove(&mut self, mac: Mac, vlan: u16) -> bool {
        match self.find(key(mac, vlan)) {
            Found::At(at) => {
                self.clear(at);
                true
            }
            _ => false,
        }
    }

    /// Forgets everything behind a port, static entries too: whoever adds the port again pins them
    /// again. Reads the whole table: cold.
    pub fn remove_port(&mut self, port: PortId) -> usize {
        let before = self.len;
        let mut at = 0;
        while let Some(slot) = self.slots.get(at) {
            if slot.key != 0 && slot.port == port {
                // Another entry may have moved in here: look again.
                self.clear(at);
            } else {
                at += 1;
            }
        }
        // A run that wraps around the end can move an entry from the first slots, already read, to
        // the last ones, which are read later: none is missed.
        before - self.len
    }

    /// Collects entries that are too old, reading at most `budget` slots and going on there the
    /// next time. Returns how many went.
    pub fn age(&mut self, now: u64, budget: usize) -> usize {
        let before = self.len;
        for _ in 0..budget.min(self.slots.len().saturating_mul(2)) {
            let Some(slot) = self.slots.get(self.cursor) else { break };
            if slot.key != 0 && slot.expired(now, self.ageing_ns) {
                self.clear(self.cursor);
            } else {
                self.cursor = (self.cursor + 1) & (self.slots.len() - 1);
            }
        }
        before - self.len
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = FdbEntry> + '_ {
        self.slots.iter().filter(|slot| slot.key != 0).map(|slot| FdbEntry {
            mac: mac_of(slot.key),
            vlan: slot.key as u16 & VLAN_MASK,
            port: slot.port,
            is_static: slot.is_static,
            seen_ns: slot.seen_ns,
        })
    }

    /// One multiplication, both halves folded: every bit of the key and of the seed reaches the
    /// top bits, which are the ones used.
    #[inline]
    fn home(&self, key: u64) -> usize {
        let wide = u128::from(key ^ self.seed) * 0x9e37_79b9_7f4a_7c15_u128;
        let folded = (wide as u64 ^ (wide >> 64) as u64).wrapping_mul(self.seed | 1);
        (folded >> self.shift) as usize
    }

    #[inline]
    fn find(&self, key: u64) -> Found {
        let mask = self.slots.len() - 1;
        let home = self.home(key);
        for step in 0..MAX_PROBE {
            let at = (home + step) & mask;
            match self.slots.get(at) {
                Some(slot) if slot.key == key => return Found::At(at),
                Some(slot) if slot.key == 0 => return Found::Free(at),
                Some(_) => {}
                None => break,
            }
        }
        Found::Nowhere
    }

    fn fill(&mut self, at: usize, new: Slot) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = new;
            self.len += 1;
            self.generation += 1;
            self.note(at);
        }
    }

    /// Empties a slot and moves back whoever was only pushed along by it.
    fn clear(&mut self, at: usize) {
        self.note(at);
        let mask = self.slots.len() - 1;
        let mut hole = at;
        let mut next = at;
        loop {
            next = (next + 1) & mask;
            let Some(slot) = self.slots.get(next).copied().filter(|slot| slot.key != 0) else {
                break;
            };
            // It may move to the hole unless its home lies behind it.
            let from_home = next.wrapping_sub(self.home(slot.key)) & mask;
            let from_hole = next.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                if let Some(free) = self.slots.get_mut(hole) {
                    *free = slot;
                }
                hole = next;
            }
        }
        if let Some(slot) = self.slots.get_mut(hole) {
            *slot = EMPTY;
        }
        self.len -= 1;
        self.generation += 1;
    }
}

enum Found {
    At(usize),
    /// Not there; it would go here.
    Free(usize),
    /// Not there, and no free slot near enough.
    Nowhere,
}

impl Slot {
    #[inline]
    fn expires(&self, ageing_ns: u64) -> u64 {
        if self.is_static { u64::MAX } else { self.seen_ns.saturating_add(ageing_ns) }
    }

    #[inline]
    fn expired(&self, now: u64, ageing_ns: u64) -> bool {
        now >= self.expires(ageing_ns)
    }
}

#[inline]
fn key(mac: Mac, vlan: u16) -> u64 {
    OCCUPIED | mac.to_u64() << 12 | u64::from(vlan & VLAN_MASK)
}

fn mac_of(key: u64) -> Mac {
    let [.., a, b, c, d, e, f] = ((key & !OCCUPIED) >> 12).to_be_bytes();
    Mac::new([a, b, c, d, e, f])
}

impl fmt::Debug for Fdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
