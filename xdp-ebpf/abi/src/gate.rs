//! What a decision depends on: a frame, and what user space tells about ports, VLANs and stations.
//!
//! Invariant: user space writes each word whole, and a decision reads each once. So a decision never sees a
//! word that is half written, nor two values of the same word.

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

/// A frame as the decision sees it. An outer tag that travels beside the frame is not among its bytes.
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
    /// The kernel has yet to complete a checksum, and it is not the one of the L4 header at `l4_off` that a
    /// worker completes (`is_known`): one inside a tunnel, or of a protocol that is not known here. The
    /// default is for XDP, where this cannot be read.
    #[inline(always)]
    fn awaits_other_checksum(&self, _l4_off: u16, _is_known: bool) -> bool {
        false
    }
}

/// What user space tells the programs about a port, by slot in the map `GATE_PORTS`. Each word is
/// written whole and is valid without the others; a frame's decision reads each word once.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatePort {
    /// Low half: the interface's index, 0: the slot is vacant. High half: [`gate_flags`].
    pub identity: u64,
    /// Bits 0 to 15: the VLAN of untagged frames, 0: none. 16 to 31: the worker's receive queue.
    pub numbers: u64,
    /// The limit of group frames and of frames for unknown addresses. Low half: nanoseconds for each; high
    /// half: how many may come at once. 0: no limit.
    pub storm: u64,
    /// How a frame gets to the port by the express lane. Bits 0 to 47: the address of the device's
    /// other end; 48 and 49: [`Method`].
    pub way: u64,
    /// Low half: the longest frame that the bridge would forward to the port.
    pub most: u64,
    /// The time of a byte on the link ([`PER_BYTE_BITS`](crate::door::PER_BYTE_BITS)); 0: it has no rate.
    pub per_byte: u64,
    /// The same for a byte from the port, by the port's own rate as a source; 0: it has none.
    pub own_per_byte: u64,
    /// How far ahead of its own rate the port may be.
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

    /// The same port, with a way for the express lane: how frames are handed to it, its other end's address,
    /// and the longest frame.
    #[must_use]
    pub const fn with_way(mut self, method: Method, peer_mac: u64, most: u32) -> Self {
        self.way = peer_mac & MAC_MASK | (method as u64) << METHOD_SHIFT;
        self.most = most as u64;
        self
    }

    /// The words, in the order in which they stand in the map.
    pub const fn words(&self) -> [u64; Self::WORDS] {
        let Self { identity, numbers, storm, way, most, per_byte, own_per_byte, own_ahead_ns } =
            *self;
        [identity, numbers, storm, way, most, per_byte, own_per_byte, own_ahead_ns]
    }

    pub const fn of_words(words: [u64; Self::WORDS]) -> Self {
        let [identity, numbers, storm, way, most, per_byte, own_per_byte, own_ahead_ns] = words;
        Self { identity, numbers, storm, way, most, per_byte, own_per_byte, own_ahead_ns }
    }

    /// The same port, with a rate: the time that a byte takes, in 2^-20 ns.
    #[must_use]
    pub const fn with_rate(mut self, per_byte: u64) -> Self {
        self.per_byte = per_byte;
        self
    }

    /// The same port, with a rate of its own as a source, and how far ahead of that rate it may be.
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

    /// How the gate itself can hand a frame for this address to the port; `None`: it cannot.
    #[inline(always)]
    pub const fn method_for(&self, dst: u64) -> Option<Method> {
        match self.way >> METHOD_SHIFT & 3 {
            // The other end takes every frame that comes in this way for its own, whatever its address.
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
    /// Whether a frame may go now, if a frame that comes at `due_ns` or later is on time; and the due time
    /// from then on.
    #[inline(always)]
    pub const fn admit(self, due_ns: u64, now_ns: u64) -> (bool, u64) {
        if self.frame_ns == 0 {
            return (true, due_ns);
        }
        // The frame that is on time counts as the burst's first; with a burst of 0 it still goes.
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
    /// Without a worker or a current table, drop the frame instead of leaving it to the bridge.
    pub const FALLBACK_DROP: u32 = 1 << 0;
    /// Only sources in `MAC_LOCK`.
    pub const MAC_LOCK: u32 = 1 << 1;
    /// Only sources in `IP_LOCK`.
    pub const IP_LOCK: u32 = 1 << 2;
    /// Frames from and to the port may be forwarded here: the bridge forwards them by rules that are
    /// known.
    pub const OFFLOAD: u32 = 1 << 3;
    /// The bridge filters VLANs.
    pub const VLAN_AWARE: u32 = 1 << 4;
    /// Does not talk to other isolated ports.
    pub const ISOLATED: u32 = 1 << 5;
    /// Frames to 01:80:c2:00:00:0x may come from here.
    pub const RESERVED_OK: u32 = 1 << 6;
    /// The bridge learns no addresses on this port: it need not get frames to hear of their sources.
    pub const NO_LEARNING: u32 = 1 << 7;
    /// The bridge drops frames from sources that it does not know.
    pub const LOCKED: u32 = 1 << 8;
    /// Its frames may take the express lane.
    pub const EXPRESS_FROM: u32 = 1 << 9;
}

/// Two sets of VLANs, a bit for each: those that a port is in, then those whose frames leave it untagged.
pub type Vlans = [u64; VLAN_WORDS];
pub const VLAN_WORDS: usize = 2 * UNTAGGED;
/// The word where the second set begins.
pub const UNTAGGED: usize = 4096 / 64;

/// Words of a slot in the map `TAKEN`: what the gate counts and notes of a source. A queue has only the
/// first, the third and the last of them.
pub mod out {
    /// Places ever taken in the receive ring.
    pub const TAKEN: usize = 0;
    /// When the next group frame, or frame for an unknown address, is due.
    pub const STORM_DUE: usize = 1;
    /// Places given back, as the gate last read them.
    pub const SEEN_BACK: usize = 2;
    /// Frames ever steered.
    pub const STEERED: usize = 3;
    /// Frames ever passed to the bridge whose successors may take another lane.
    pub const BRIDGED: usize = 4;
    /// When the gate last waited for frames at a worker.
    pub const WAITED: usize = 5;
    /// Of the `BRIDGED` frames, those that have left every backlog. User space writes this word. It is in
    /// this map because the gate reads it for every frame, and other CPUs write `GIVEN_BACK` all the time.
    pub const CLEARED: usize = 6;
    /// Of a queue: when its worker last said that it runs, by the monotonic clock; 0: it is gone. User
    /// space writes this word. It is in this map because the gate reads it for every frame that it steers,
    /// and writes to the queue's line anyway.
    pub const BEAT: usize = 7;
}

/// A worker that has not written the time for so long is stalled: its ports' fallback applies.
pub const STALE_NS: u64 = 500_000_000;

/// Whether a worker that last wrote the time `beat_ns` is stalled, or gone (0).
#[inline(always)]
pub const fn is_stale(beat_ns: u64, now_ns: u64) -> bool {
    beat_ns == 0 || now_ns.saturating_sub(beat_ns) > STALE_NS
}

/// How long the gate believes its tables after user space last vouched for them. That is short against the
/// time after which a bridge forgets a station, and long against a restart or a delay of the control side.
pub const BELIEVED_NS: u64 = 30_000_000_000;

/// Whether tables that user space last vouched for at `current_ns` (0: never) are out of date.
#[inline(always)]
pub const fn is_outdated(current_ns: u64, now_ns: u64, believed_ns: u64) -> bool {
    current_ns == 0 || now_ns.saturating_sub(current_ns) > believed_ns
}

/// Words of a slot in the map `GIVEN_BACK`: what workers have given back or finished.
pub mod home {
    /// Places ever given back.
    pub const BACK: usize = 0;
    /// Of the steered frames, those that are delivered or lost.
    pub const DONE: usize = 3;
}

/// The note by which the program at a device's egress recognises a frame that the gate has redirected. The
/// frame gets there in the same soft interrupt, as the next one on this CPU. 0: there is none.
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

/// The maps, as the questions that a decision asks.
pub trait Tables {
    fn mac_allowed(&self, slot: u16, mac: u64) -> bool;
    fn ip_allowed(&self, slot: u16, address: [u8; 16]) -> bool;
    /// Whether the tables may be believed: see [`is_outdated`].
    fn is_current(&self) -> bool;
    /// The place of an address in the table.
    fn place(&self, key: u64) -> Place;
    /// The entry of the address at that place; empty where there is none.
    fn find(&self, place: Place) -> Entry;
    /// The same for a frame's source. The address is marked as seen only if it is known behind the port in
    /// `slot`: a station that sends from elsewhere must not keep its old entry alive.
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
    /// Takes `places` in the queue's ring for the source; `false`: the source has its share already.
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool;
    /// Whether something that the source sent may still be on its way by the bridge.
    fn is_at_bridge(&self, slot: u16) -> bool;
    /// Whether nothing that the source sent is still on its way by a worker. Now and then it waits for the
    /// source's last frames there, if they are few.
    fn is_settled(&self, slot: u16) -> bool;
    /// Whether a door is open: see [`Door`](crate::door::Door).
    fn is_open(&self, door: u32) -> bool;
    /// Takes `bytes` through a door; `false`: a worker has to send them, and the door is closed now.
    fn draw(&self, door: u32, bytes: u32, per_byte: u64, ahead_ns: u64) -> bool;
    /// Closes a door: from here on only a worker sends for the link or the source.
    fn close(&self, door: u32);
}

/// What the gate hands to the program behind it, by way of a per-CPU map: both run in the same soft
/// interrupt, one after the other. (With a preemptible soft interrupt, as on a PREEMPT_RT kernel,
/// that does not hold.)
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Cell {
    /// The words of [`Meta`](crate::Meta) that are to stand in front of the frame. Word 3 is 0: the cell is
    /// empty.
    pub meta: [u64; META_LEN / 8],
    /// Bytes covered by the checksum that is to be completed; 0: none is.
    pub csum_len: u32,
    /// The tag to put into the frame: protocol in the high half; 0: none.
    pub tag: u32,
    /// Places taken in the receive ring.
    pub places: u64,
}

const _: () = assert!(size_of::<GatePort>() == 8 * GatePort::WORDS);
const _: () = assert!(MAX_PORTS <= 0xfff);
