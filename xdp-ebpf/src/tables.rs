//! The maps, behind the questions that a decision asks.
//! Invariant: a word that user space may change meanwhile is read whole.

use core::arch::asm;

use aya_ebpf::helpers::generated::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns};
use weir_abi::{
    GatePort, IpLockKey, MAX_PORTS, MacLockKey, RX_PLACES, Storm, Tables,
    bytes::mac_bytes,
    door::Door,
    gate::{BELIEVED_NS, VLAN_WORDS, home, is_outdated, is_stale, out},
    shed,
    table::{Entry, Place, SEEN_SHIFT, Seen, WAYS},
};

use crate::{
    ADDRESSES, CURRENT, DOORS, GATE_PORTS, GIVEN_BACK, IP_LOCK, LAST_SEEN, MAC_LOCK, SHED, TABLE_SEED,
    TAKEN, VLANS, WORKERS, room::Room,
};

/// A port's words; `None`: the slot is vacant.
#[inline(always)]
pub(crate) fn port(slot: u16) -> Option<GatePort> {
    let words = GATE_PORTS.get_ptr(slot.into())?.cast::<u64>();
    // SAFETY: words of the value, which user space stores whole.
    let word = |n: usize| unsafe { words.add(n).read_volatile() };
    let port = GatePort::of_words([
        word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7),
    ]);
    (port.ifindex() != 0).then_some(port)
}

/// The receive ring that a frame is for: the part of [`Maps`] that differs between the programs that decide.
pub(crate) trait Ring {
    fn has_worker(&self, queue: u16) -> bool;
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool;
    fn is_at_bridge(&self, slot: u16) -> bool;
    fn is_settled(&self, slot: u16) -> bool;
}

/// How often the gate looks whether a source's last frames have left their worker, before it gives up. A
/// look takes some 20 ns, and a worker that is awake needs some microseconds.
const LOOKS: u32 = 400;
/// How often a gate tries to draw on a door while other CPUs draw on it as well.
pub(crate) const DRAWS: u32 = 4;
/// The gate does not wait for more frames than this.
const FEW: u64 = 8;

pub(crate) struct Maps<R>(pub(crate) R);

/// The workers' rings, on weir's own pair.
pub(crate) struct Shared;

impl<R> Maps<R> {
    /// The number of an address's place in its bucket (its way), and its entry.
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
    /// Undoes `take_room` for a frame that does not reach the ring.
    #[inline(always)]
    pub(crate) fn give_room_back(slot: u16, queue: u32, places: u64) {
        for index in [u32::from(slot), MAX_PORTS + queue] {
            if let Some(taken) = TAKEN.get_ptr_mut(index) {
                add(taken.cast(), places.wrapping_neg());
            }
        }
        if let Some(taken) = TAKEN.get_ptr_mut(slot.into()) {
            add(word(taken, out::STEERED), u64::MAX);
        }
    }

    /// Counts a frame that is passed to the bridge, if those after it may take another lane.
    #[inline(always)]
    pub(crate) fn count_bridged(slot: u16) {
        if let Some(taken) = TAKEN.get_ptr_mut(slot.into()) {
            add(word(taken, out::BRIDGED), 1);
        }
    }
}

#[inline(always)]
pub(crate) fn word(line: *mut [u64; 8], n: usize) -> *mut u64 {
    // SAFETY: callers name one of the eight words.
    unsafe { line.cast::<u64>().add(n) }
}

#[inline(always)]
pub(crate) fn read(line: *mut [u64; 8], n: usize) -> u64 {
    // SAFETY: one of the eight words of a map's value.
    unsafe { word(line, n).read_volatile() }
}

/// Adds to a word that other CPUs add to as well.
#[inline(always)]
pub(crate) fn add(word: *mut u64, n: u64) {
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

/// Sets bits of a word that user space and other CPUs change as well.
#[inline(always)]
fn or(word: *mut u64, bits: u64) {
    // SAFETY: a word of a map's value.
    unsafe {
        asm!(
            "lock *(u64 *)({at} + 0) |= {bits}",
            at = in(reg) word,
            bits = in(reg) bits,
            options(nostack),
        );
    }
}

/// Replaces a word if it still is what was seen.
#[inline(always)]
pub(crate) fn exchange(word: *mut u64, seen: u64, new: u64) -> bool {
    let found: u64;
    // SAFETY: a word of a map's value.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({at} + 0, r0, {new})",
            at = in(reg) word,
            new = in(reg) new,
            inlateout("r0") seen => found,
            options(nostack),
        );
    }
    found == seen
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
    fn is_current(&self) -> bool {
        let Some(current) = CURRENT.get_ptr(0) else { return false };
        // SAFETY: the map's word, which user space stores whole; takes no argument.
        let (current, now) = unsafe { (current.read_volatile(), bpf_ktime_get_coarse_ns()) };
        !is_outdated(current, now, BELIEVED_NS)
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
        let due = word(due, out::STORM_DUE);
        // SAFETY: takes no argument.
        let now_ns = unsafe { bpf_ktime_get_coarse_ns() };
        // Two CPUs with frames of one port at the same instant may both let theirs pass. That is
        // harmless: this limit is against floods, and no promise rests on it.
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
    fn is_awake(&self, queue: u16) -> bool {
        let Some(line) = TAKEN.get_ptr_mut(MAX_PORTS + u32::from(queue)) else { return false };
        // SAFETY: takes no argument.
        !is_stale(read(line, out::BEAT), unsafe { bpf_ktime_get_coarse_ns() })
    }

    #[inline(always)]
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool {
        self.0.take_room(slot, queue, places)
    }

    #[inline(always)]
    fn is_at_bridge(&self, slot: u16) -> bool {
        self.0.is_at_bridge(slot)
    }

    #[inline(always)]
    fn is_settled(&self, slot: u16) -> bool {
        self.0.is_settled(slot)
    }

    #[inline(always)]
    fn is_open(&self, door: u32) -> bool {
        let Some(door) = DOORS.get_ptr_mut(door) else { return false };
        !Door::of_word(read(door, 0)).is_closed()
    }

    #[inline(always)]
    fn draw(&self, door: u32, bytes: u32, per_byte: u64, ahead_ns: u64) -> bool {
        let Some(line) = DOORS.get_ptr_mut(door) else { return false };
        for _ in 0..DRAWS {
            let seen = Door::of_word(read(line, 0));
            if seen.is_closed() {
                return false;
            }
            // SAFETY: takes no argument.
            let now_ns = unsafe { bpf_ktime_get_ns() };
            let Some(drawn) = seen.drawn(now_ns, bytes, per_byte, ahead_ns) else { break };
            if exchange(word(line, 0), seen.word(), drawn.word()) {
                return true;
            }
        }
        self.close(door);
        false
    }

    #[inline(always)]
    fn close(&self, door: u32) {
        let Some(door) = DOORS.get_ptr_mut(door) else { return };
        let seen = Door::of_word(read(door, 0));
        if !seen.is_closed() {
            or(word(door, 0), seen.closed().word() ^ seen.word());
        }
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
        // A source may hold as many places as are left free: one flood holds at most half of the ring,
        // two hold a third each. As much is free then, and a source that comes later may take half of it.
        let fits = || own.held() + u64::from(places) <= RX_PLACES.saturating_sub(all.held());
        if !fits() {
            own.look();
            all.look();
            if !fits() {
                return false;
            }
        }
        add(word(own.taken, out::TAKEN), places.into());
        add(word(own.taken, out::STEERED), 1);
        add(word(all.taken, out::TAKEN), places.into());
        true
    }

    #[inline(always)]
    fn is_at_bridge(&self, slot: u16) -> bool {
        let Some(out) = TAKEN.get_ptr_mut(slot.into()) else { return true };
        let cleared = read(out, out::CLEARED);
        read(out, out::BRIDGED) != cleared
    }

    /// `DONE` is read before `STEERED`. So a frame that another CPU steers meanwhile can only make the
    /// answer "no".
    #[inline(always)]
    fn is_settled(&self, slot: u16) -> bool {
        let Some(home) = GIVEN_BACK.get_ptr_mut(slot.into()) else { return false };
        let Some(out) = TAKEN.get_ptr_mut(slot.into()) else { return false };
        let done = read(home, home::DONE);
        let steered = read(out, out::STEERED);
        if steered == done {
            return true;
        }
        if steered.wrapping_sub(done) > FEW {
            return false;
        }
        // A source that never pauses always has a frame under way. So the gate waits for a moment, at most
        // once in a tick of the kernel's clock.
        // SAFETY: takes no argument.
        let now = unsafe { bpf_ktime_get_coarse_ns() };
        if read(out, out::WAITED) == now {
            return false;
        }
        // SAFETY: a word of the map's value.
        unsafe { word(out, out::WAITED).write_volatile(now) };
        for _ in 0..LOOKS {
            if read(home, home::DONE) == steered {
                return read(out, out::STEERED) == steered;
            }
            // SAFETY: takes no argument. Called only for the time that the call takes.
            unsafe { bpf_ktime_get_ns() };
        }
        false
    }
}

/// Writes only a time that has changed, so that the CPUs that read the line can share it.
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
