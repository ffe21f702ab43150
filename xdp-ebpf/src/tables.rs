//! The maps, as the decision asks them.
//! Invariant: what user space may change meanwhile is read in whole words, each once.

use core::arch::asm;

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use weir_abi::{
    GatePort, IpLockKey, MAX_PORTS, MacLockKey, RX_PLACES, Storm, Tables,
    bytes::mac_bytes,
    gate::VLAN_WORDS,
    shed,
    table::{Entry, Place, SEEN_SHIFT, Seen, WAYS},
};

use crate::{
    ADDRESSES, GATE_PORTS, GIVEN_BACK, IP_LOCK, LAST_SEEN, MAC_LOCK, SHED, TABLE_SEED, TAKEN,
    VLANS, WORKERS,
};

/// A port's words; `None`: the slot is vacant.
#[inline(always)]
pub(crate) fn port(slot: u16) -> Option<GatePort> {
    let words = GATE_PORTS.get_ptr(slot.into())?.cast::<u64>();
    // SAFETY: words of the value, which user space stores whole.
    let word = |n: usize| unsafe { words.add(n).read_volatile() };
    let port = GatePort::of_words([word(0), word(1), word(2), word(3), word(4)]);
    (port.ifindex() != 0).then_some(port)
}

/// The receive ring that a frame is for: what differs between the programs that decide.
pub(crate) trait Ring {
    fn has_worker(&self, queue: u16) -> bool;
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool;
}

pub(crate) struct Maps<R>(pub(crate) R);

/// The workers' rings, on weir's own pair.
pub(crate) struct Shared;

impl<R> Maps<R> {
    /// The way of an address in its bucket, and its entry.
    #[inline(always)]
    fn search(place: Place) -> Option<(usize, Entry)> {
        let bucket = ADDRESSES.get_ptr(place.bucket)?.cast::<u64>();
        for way in 0..WAYS {
            // SAFETY: a word of the bucket, which user space stores whole.
            let entry = Entry::of_word(unsafe { bucket.add(way).read_volatile() });
            if entry.is_of(place) {
                return Some((way, entry));
            }
        }
        None
    }
}

impl Shared {
    /// Takes back what was taken for a frame that does not reach the ring.
    #[inline(always)]
    pub(crate) fn give_room_back(slot: u16, queue: u32, places: u64) {
        for index in [u32::from(slot), MAX_PORTS + queue] {
            if let Some(taken) = TAKEN.get_ptr_mut(index) {
                add(taken.cast(), places.wrapping_neg());
            }
        }
    }
}

/// Adds to a word that other CPUs add to as well.
#[inline(always)]
fn add(word: *mut u64, n: u64) {
    // SAFETY: a word of a map's value.
    unsafe {
        asm!(
            "lock *(u64 *)({at} + 0) += {n}",
            at = in(reg) word,
            n = in(reg) n,
            options(nostack),
        );
    }
}

impl<R: Ring> Tables for Maps<R> {
    #[inline(always)]
    fn mac_allowed(&self, slot: u16, mac: u64) -> bool {
        MAC_LOCK.get_ptr(MacLockKey { slot, mac: mac_bytes(mac) }).is_some()
    }

    #[inline(always)]
    fn ip_allowed(&self, slot: u16, address: [u8; 16]) -> bool {
        IP_LOCK.get_ptr(IpLockKey::new(slot, address)).is_some()
    }

    #[inline(always)]
    fn place(&self, key: u64) -> Place {
        TABLE_SEED.load().place(key)
    }

    #[inline(always)]
    fn find(&self, place: Place) -> Entry {
        Self::search(place).map_or(Entry::EMPTY, |(_, entry)| entry)
    }

    #[inline(always)]
    fn find_source(&self, place: Place, slot: u16) -> Entry {
        let Some((way, entry)) = Self::search(place) else { return Entry::EMPTY };
        if entry.port() == slot
            && let Some(seen) = LAST_SEEN.get_ptr_mut(place.bucket)
        {
            mark_seen(seen, way);
        }
        entry
    }

    #[inline(always)]
    fn port(&self, slot: u16) -> Option<GatePort> {
        port(slot)
    }

    #[inline(always)]
    fn vlans(&self, slot: u16, word: usize) -> u64 {
        let Some(vlans) = VLANS.get_ptr(slot.into()) else { return 0 };
        if word >= VLAN_WORDS {
            return 0;
        }
        // SAFETY: inside the value, by the check above.
        unsafe { vlans.cast::<u64>().add(word).read_volatile() }
    }

    /// Who that is, is asked only if the port has any bit set.
    #[inline(always)]
    fn is_shed(&self, ingress: u16, egress: u16) -> bool {
        let Some(row) = SHED.get_ptr(ingress.into()) else { return false };
        let (word, mask) = shed::bit(egress);
        // SAFETY: a word of the row: `bit` gives one below its length.
        unsafe { row.cast::<u64>().add(word).read_volatile() & mask != 0 }
    }

    #[inline(always)]
    fn storm_allows(&self, slot: u16, storm: Storm) -> bool {
        if storm.frame_ns == 0 {
            return true;
        }
        let Some(due) = TAKEN.get_ptr_mut(slot.into()) else { return true };
        // SAFETY: the second word of the value.
        let due = unsafe { due.cast::<u64>().add(1) };
        // SAFETY: takes no argument.
        let now_ns = unsafe { bpf_ktime_get_coarse_ns() };
        // Two CPUs that send for one port at the same instant may both pass: a limit on floods,
        // not a rate that anything is promised from.
        // SAFETY: as above.
        let (allowed, next) = storm.admit(unsafe { due.read_volatile() }, now_ns);
        if allowed {
            // SAFETY: as above.
            unsafe { due.write_volatile(next) };
        }
        allowed
    }

    #[inline(always)]
    fn has_worker(&self, queue: u16) -> bool {
        self.0.has_worker(queue)
    }

    #[inline(always)]
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool {
        self.0.take_room(slot, queue, places)
    }
}

impl Ring for Shared {
    #[inline(always)]
    fn has_worker(&self, queue: u16) -> bool {
        WORKERS.get(queue.into()).is_some()
    }

    #[inline(always)]
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool {
        let all = MAX_PORTS + u32::from(queue);
        let (Some(own), Some(all)) = (Room::of(slot.into()), Room::of(all)) else { return false };
        // A source may hold as much as is left for the others: one flood at most half of the ring,
        // two a third each, and whoever comes then still finds as much.
        let fits = || own.held() + u64::from(places) <= RX_PLACES.saturating_sub(all.held());
        if !fits() {
            own.look();
            all.look();
            if !fits() {
                return false;
            }
        }
        add(own.taken, places.into());
        add(all.taken, places.into());
        true
    }
}

/// A source's or a queue's places in a ring. How many were given back is read from the worker's cache
/// line only when all seem to be taken, and kept beside those taken: a look at every frame would take
/// the line from the worker's core each time. What is kept is never more than was given back.
struct Room {
    /// Words: taken, when the next group's frame is due, given back as of the last look.
    taken: *mut u64,
    back: *const u64,
}

impl Room {
    #[inline(always)]
    fn of(index: u32) -> Option<Self> {
        let taken = TAKEN.get_ptr_mut(index)?.cast();
        Some(Self { taken, back: GIVEN_BACK.get_ptr(index)?.cast() })
    }

    #[inline(always)]
    fn held(&self) -> u64 {
        // SAFETY: words of the map's value.
        let held = unsafe { self.taken.read_volatile().wrapping_sub(self.seen().read_volatile()) };
        // More given back than taken: a correction of the worker's was a few frames ahead.
        if held >> 63 != 0 { 0 } else { held }
    }

    #[inline(always)]
    fn look(&self) {
        // SAFETY: words of the maps' values.
        unsafe { self.seen().write_volatile(self.back.read_volatile()) };
    }

    #[inline(always)]
    fn seen(&self) -> *mut u64 {
        // SAFETY: the third word of the value.
        unsafe { self.taken.add(2) }
    }
}

/// Writes only what has changed: the line stays shared between the CPUs that read it.
#[inline(always)]
fn mark_seen(seen: *mut Seen, way: usize) {
    if way >= WAYS {
        return;
    }
    // SAFETY: inside the value, by the check above; takes no argument.
    unsafe {
        let now = (bpf_ktime_get_coarse_ns() >> SEEN_SHIFT) as u32;
        let at = seen.cast::<u32>().add(way);
        if at.read_volatile() != now {
            at.write_volatile(now);
        }
    }
}
