//! What the decision is about: a frame, and what user space tells of ports, VLANs and stations.
//!
//! Invariant: user space writes each word whole, and a decision reads each once; so whatever changes
//! meanwhile, it never sees half a change.

use crate::table::{Entry, Place};
use crate::{Bytes, MAX_PORTS, META_LEN};

/// A VLAN tag: its protocol (EtherType) and its control information (priority and identifier).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub proto: u16,
    pub tci: u16,
}

impl Tag {
    pub const DOT1Q: u16 = 0x8100;

    #[inline(always)]
    pub const fn vid(self) -> u16 {
        self.tci & 0xfff
    }
}

/// A frame as the decision sees it; its bytes are those without the outer tag where that travels
/// beside the frame.
pub trait Frame: Bytes {
    /// The outermost tag.
    fn tag(&self) -> Option<Tag>;
    /// The tag is among the bytes, not beside them.
    fn tag_is_inside(&self) -> bool;
    /// The kernel's XDP hook would let the frame pass, because it was redirected before.
    fn slips_past_xdp(&self) -> bool;
    /// Payload bytes of a segment; 0: no superframe.
    fn gso_size(&self) -> u16;
    /// The kernel's `SKB_GSO_*` bits; asked for superframes only.
    fn gso_type(&self) -> u32;
    /// The kernel has yet to complete a checksum, and not that of the L4 header at `l4_off`: one
    /// inside a tunnel, or of a protocol that is not known here. Where the kernel keeps no note of
    /// checksums there is none to complete.
    #[inline(always)]
    fn awaits_other_checksum(&self, _l4_off: u16) -> bool {
        false
    }
}

/// What user space tells the programs of a port, by slot in the map `GATE_PORTS`. Each word is
/// written whole and holds by itself; a frame's decision reads each word once.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatePort {
    /// Low half: the interface's index, 0: the slot is vacant. High half: [`gate_flags`].
    pub identity: u64,
    /// Bits 0 to 15: the VLAN of untagged frames, 0: none. 16 to 31: the worker's receive queue.
    pub numbers: u64,
    /// Group frames and frames for unknown addresses: nanoseconds for each (low half), and how many
    /// may come at once (high half); 0: no limit.
    pub storm: u64,
    /// How a frame gets to the port by the express lane. Bits 0 to 47: the address of the device's
    /// other end; 48 and 49: [`Method`].
    pub way: u64,
    /// Low half: the longest frame that the bridge would forward to the port.
    pub most: u64,
    /// What a byte takes on the link ([`PER_BYTE_BITS`](crate::door::PER_BYTE_BITS)); 0: it has no rate.
    pub per_byte: u64,
    /// What a byte from the port takes at its own rate, likewise; 0: it has none.
    pub own_per_byte: u64,
    /// How far ahead of that it may be.
    pub own_ahead_ns: u64,
}

impl GatePort {
    pub const WORDS: usize = 8;

    pub const fn new(ifindex: u32, flags: u32, pvid: u16, queue: u16, storm: Storm) -> Self {
        Self {
            identity: ifindex as u64 | (flags as u64) << 32,
            numbers: pvid as u64 | (queue as u64) << 16,
            storm: storm.frame_ns as u64 | (storm.burst as u64) << 32,
            way: 0,
            most: 0,
            per_byte: 0,
            own_per_byte: 0,
            own_ahead_ns: 0,
        }
    }

    /// The same port, with a way of its own by the express lane: its other end's address, and the
    /// longest frame.
    #[must_use]
    pub const fn with_way(mut self, method: Method, peer_mac: u64, most: u32) -> Self {
        self.way = peer_mac & MAC_MASK | (method as u64) << METHOD_SHIFT;
        self.most = most as u64;
        self
    }

    /// In the order in which they stand in the map.
    pub const fn words(&self) -> [u64; Self::WORDS] {
        let Self { identity, numbers, storm, way, most, per_byte, own_per_byte, own_ahead_ns } =
            *self;
        [identity, numbers, storm, way, most, per_byte, own_per_byte, own_ahead_ns]
    }

    pub const fn of_words(words: [u64; Self::WORDS]) -> Self {
        let [identity, numbers, storm, way, most, per_byte, own_per_byte, own_ahead_ns] = words;
        Self { identity, numbers, storm, way, most, per_byte, own_per_byte, own_ahead_ns }
    }

    /// The same port, with a rate: what a byte takes, in 2^-20 ns.
    #[must_use]
    pub const fn with_rate(mut self, per_byte: u64) -> Self {
        self.per_byte = per_byte;
        self
    }

    /// The same port, with a rate of its own as a source, and how far ahead of it the port may be.
    #[must_use]
    pub const fn with_own_rate(mut self, per_byte: u64, ahead_ns: u64) -> Self {
        (self.own_per_byte, self.own_ahead_ns) = (per_byte, ahead_ns);
        self
    }

    #[inline(always)]
    pub const fn ifindex(&self) -> u32 {
        self.identity as u32
    }

    #[inline(always)]
    pub const fn flags(&self) -> u32 {
        (self.identity >> 32) as u32
    }

    #[inline(always)]
    pub const fn has(&self, flags: u32) -> bool {
        self.flags() & flags == flags
    }

    #[inline(always)]
    pub const fn pvid(&self) -> u16 {
        (self.numbers & 0xfff) as u16
    }

    #[inline(always)]
    pub const fn queue(&self) -> u16 {
        (self.numbers >> 16) as u16
    }

    /// How the gate itself gets a frame for this address to the port; `None`: it cannot.
    #[inline(always)]
    pub const fn method_for(&self, dst: u64) -> Option<Method> {
        match self.way >> METHOD_SHIFT & 3 {
            // Whatever comes in that way is taken for the other end's own.
            1 if self.way & MAC_MASK == dst => Some(Method::Peer),
            1 | 2 => Some(Method::Redirect),
            _ => None,
        }
    }

    #[inline(always)]
    pub const fn most(&self) -> u32 {
        self.most as u32
    }
}

const MAC_MASK: u64 = (1 << 48) - 1;
const METHOD_SHIFT: u32 = 48;

/// How the gate hands a frame to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `bpf_redirect_peer`: into the device's other end, at once.
    Peer = 1,
    /// `bpf_redirect`: to the device, as the bridge would.
    Redirect = 2,
}

/// How many group and unknown frames a port may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storm {
    /// Nanoseconds for each; 0: no limit.
    pub frame_ns: u32,
    /// Frames at once after a pause.
    pub burst: u32,
}

impl Storm {
    /// For a due time (of the next frame that would be on time): whether a frame may go now, and
    /// the due time from then on.
    #[inline(always)]
    pub const fn admit(self, due_ns: u64, now_ns: u64) -> (bool, u64) {
        if self.frame_ns == 0 {
            return (true, due_ns);
        }
        // The one that is due is itself of the burst; without any burst it still goes.
        let ahead_ns = self.frame_ns as u64 * self.burst.saturating_sub(1) as u64;
        let from_ns = if due_ns > now_ns { due_ns } else { now_ns };
        if from_ns - now_ns > ahead_ns {
            (false, due_ns)
        } else {
            (true, from_ns + self.frame_ns as u64)
        }
    }
}

/// Bits of [`GatePort::flags`].
pub mod gate_flags {
    /// With no worker there, drop instead of leaving the frame to the bridge.
    pub const FALLBACK_DROP: u32 = 1 << 0;
    /// Only sources in `MAC_LOCK`.
    pub const MAC_LOCK: u32 = 1 << 1;
    /// Only sources in `IP_LOCK`.
    pub const IP_LOCK: u32 = 1 << 2;
    /// Frames of the port, and to it, may be decided here: the bridge forwards them by rules that
    /// are known.
    pub const OFFLOAD: u32 = 1 << 3;
    /// The bridge filters VLANs.
    pub const VLAN_AWARE: u32 = 1 << 4;
    /// Does not talk to other isolated ports.
    pub const ISOLATED: u32 = 1 << 5;
    /// Frames to 01:80:c2:00:00:0x may come from here.
    pub const RESERVED_OK: u32 = 1 << 6;
    /// The bridge learns no addresses here: what it does not know of a source it never will.
    pub const NO_LEARNING: u32 = 1 << 7;
    /// The bridge drops frames from sources that it does not know.
    pub const LOCKED: u32 = 1 << 8;
    /// Its frames may take the express lane.
    pub const EXPRESS_FROM: u32 = 1 << 9;
}

/// Which VLANs a port is in: a bit for each, then a bit for each of those that leave it untagged.
pub type Vlans = [u64; VLAN_WORDS];
pub const VLAN_WORDS: usize = 2 * UNTAGGED;
/// Where the untagged ones begin.
pub const UNTAGGED: usize = 4096 / 64;

/// Words of a slot in the map `TAKEN`: what the gate let out. A queue has only the first, the third and the
/// last.
pub mod out {
    /// Places ever taken in the receive ring.
    pub const TAKEN: usize = 0;
    /// When the next group frame is due.
    pub const STORM_DUE: usize = 1;
    /// Places given back, when the gate looked last.
    pub const SEEN_BACK: usize = 2;
    /// Frames ever steered.
    pub const STEERED: usize = 3;
    /// Frames ever passed to the bridge that others like them might have left by another way.
    pub const BRIDGED: usize = 4;
    /// When the gate last waited for frames at a worker.
    pub const WAITED: usize = 5;
    /// Of those passed to the bridge, the ones that have left every backlog; written by user space, here
    /// because the gate reads it for every frame, and the words below are other CPUs' all the time.
    pub const CLEARED: usize = 6;
    /// Of a queue: when its worker last said that it runs, by the monotonic clock; 0: it is gone. Written by
    /// user space, here because the gate reads it for every frame that it steers, and writes to the line
    /// of the queue anyway.
    pub const BEAT: usize = 7;
}

/// A worker that has not said for so long that it runs stands still: its ports' fallback applies.
pub const STALE_NS: u64 = 500_000_000;

/// Whether a worker that last said so then stands still, or is gone.
#[inline(always)]
pub const fn is_stale(beat_ns: u64, now_ns: u64) -> bool {
    beat_ns == 0 || now_ns.saturating_sub(beat_ns) > STALE_NS
}

/// The tables are believed for so long after user space last said that they are as the bridge is. Short
/// against the time in which a bridge forgets a station, long against a restart and a busy control side.
pub const BELIEVED_NS: u64 = 30_000_000_000;

/// Whether tables that were last said to be right at `current_ns` (0: never) are not believed any more.
#[inline(always)]
pub const fn is_outdated(current_ns: u64, now_ns: u64, believed_ns: u64) -> bool {
    current_ns == 0 || now_ns.saturating_sub(current_ns) > believed_ns
}

/// Words of a slot in the map `GIVEN_BACK`: what has come to its end.
pub mod home {
    /// Places ever given back.
    pub const BACK: usize = 0;
    /// Of the steered frames, those that are delivered or lost.
    pub const DONE: usize = 3;
}

/// By what a frame that the gate has redirected is known at the egress of its device: it comes there in the
/// same soft interrupt, as the next frame on this CPU. 0: nothing is.
#[inline(always)]
pub const fn redirected(ifindex: u32, len: u32) -> u64 {
    (ifindex as u64) << 32 | len as u64
}

/// The key of a pair of slots in the map `EXPRESS_PAIRS`.
#[inline(always)]
pub const fn pair_key(ingress: u16, egress: u16) -> u32 {
    (ingress as u32) << 16 | egress as u32
}

/// The ingress and the egress of a key.
pub const fn pair_of_key(key: u32) -> (u16, u16) {
    ((key >> 16) as u16, key as u16)
}

/// The maps as the decision asks them.
pub trait Tables {
    fn mac_allowed(&self, slot: u16, mac: u64) -> bool;
    fn ip_allowed(&self, slot: u16, address: [u8; 16]) -> bool;
    /// Whether what follows is believed: see [`is_outdated`].
    fn is_current(&self) -> bool;
    /// Where an address stands.
    fn place(&self, key: u64) -> Place;
    /// The entry of the address at that place; empty where there is none.
    fn find(&self, place: Place) -> Entry;
    /// The same for a frame's source, which is marked as seen if it is known behind that port: only
    /// there, or a station that sends from elsewhere would keep an old entry alive.
    fn find_source(&self, place: Place, slot: u16) -> Entry;
    fn port(&self, slot: u16) -> Option<GatePort>;
    /// A word of [`Vlans`].
    fn vlans(&self, slot: u16, word: usize) -> u64;
    fn is_shed(&self, ingress: u16, egress: u16) -> bool;
    /// Whether the port may send one more group or unknown frame.
    fn storm_allows(&self, slot: u16, storm: Storm) -> bool;
    /// Whether a worker's socket stands at that queue.
    fn has_worker(&self, queue: u16) -> bool;
    /// Whether the worker of that queue has said lately that it runs.
    fn is_awake(&self, queue: u16) -> bool;
    /// Takes so many places in the queue's ring for the source; false: it has its share.
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool;
    /// Whether something that the source sent may still be on its way by the bridge.
    fn is_at_bridge(&self, slot: u16) -> bool;
    /// Whether nothing that it sent is still on its way by a worker; waits for the last frames there, now
    /// and then, if they are few.
    fn is_settled(&self, slot: u16) -> bool;
    /// Whether a door is open: see [`Door`](crate::door::Door).
    fn is_open(&self, door: u32) -> bool;
    /// Takes so many bytes through a door; false: a worker has to send them, and the door is closed.
    fn draw(&self, door: u32, bytes: u32, per_byte: u64, ahead_ns: u64) -> bool;
    /// From here on the link, or the source, is its worker's.
    fn close(&self, door: u32);
}

/// What the gate hands to the program behind it, by way of a per-CPU map: both run in the same soft
/// interrupt, one after the other. (With a preemptible soft interrupt, as on a PREEMPT_RT kernel,
/// that does not hold.)
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Cell {
    /// [`Meta`](crate::Meta) as words, as it is to stand in front of the frame; a word 3 of 0: the
    /// cell is empty.
    pub meta: [u64; META_LEN / 8],
    /// Bytes that the checksum covers which is to be completed; 0: none is.
    pub csum_len: u32,
    /// The tag to put into the frame: protocol in the high half; 0: none.
    pub tag: u32,
    /// Places taken in the receive ring.
    pub places: u64,
}

const _: () = assert!(size_of::<GatePort>() == 8 * GatePort::WORDS);
const _: () = assert!(MAX_PORTS <= 0xfff);
