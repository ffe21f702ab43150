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
    /// How the gate can hand frames to the port itself. Bits 0 to 47: the MAC of the port's other end,
    /// first byte highest. 48 and 49: a [`method`].
    pub way: u64,
    /// Low half: the longest frame that the bridge would forward to the port.
    pub most: u64,
    pub reserved: [u64; 3],
}

/// How the gate can hand a frame to a port itself: bits 48 and 49 of [`GatePort::way`].
pub mod method {
    /// Not at all, or it is not known.
    pub const NONE: u64 = 0;
    /// `bpf_redirect_peer`: for frames to the MAC of the other end only, since it delivers every frame
    /// as one for that host.
    pub const PEER: u64 = 1;
    /// `bpf_redirect`.
    pub const REDIRECT: u64 = 2;
}

impl GatePort {
    pub const WORDS: usize = 8;
    /// Of `way`: the MAC, below the method.
    const MAC_BITS: u32 = 48;

    pub const fn new(ifindex: u32, flags: u32, pvid: u16, queue: u16, storm: Storm) -> Self {
        Self {
            identity: ifindex as u64 | (flags as u64) << 32,
            numbers: pvid as u64 | (queue as u64) << 16,
            storm: storm.frame_ns as u64 | (storm.burst as u64) << 32,
            way: method::NONE,
            most: 0,
            reserved: [0; 3],
        }
    }

    /// The same with a way to the port ([`Self::way_word`]) for frames of up to `most` bytes.
    pub const fn with_way(self, way: u64, most: u32) -> Self {
        Self { way, most: most as u64, ..self }
    }

    /// A [`method`], and with [`method::PEER`] the MAC of the other end, in the form of
    /// [`Ethernet::dst`](crate::Ethernet::dst).
    pub const fn way_word(method: u64, peer_mac: u64) -> u64 {
        (method & 0b11) << Self::MAC_BITS | peer_mac & ((1 << Self::MAC_BITS) - 1)
    }

    /// In the order in which they stand in the map.
    pub const fn words(&self) -> [u64; Self::WORDS] {
        [self.identity, self.numbers, self.storm, self.way, self.most, 0, 0, 0]
    }

    #[inline(always)]
    pub const fn of_words(words: [u64; 5]) -> Self {
        let [identity, numbers, storm, way, most] = words;
        Self { identity, numbers, storm, way, most, reserved: [0; 3] }
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

    /// A [`method`].
    #[inline(always)]
    pub const fn method(&self) -> u64 {
        self.way >> Self::MAC_BITS & 0b11
    }

    /// In the form of [`Ethernet::dst`](crate::Ethernet::dst); with [`method::PEER`] only.
    #[inline(always)]
    pub const fn peer_mac(&self) -> u64 {
        self.way & ((1 << Self::MAC_BITS) - 1)
    }

    /// The longest frame that may be handed to the port, Ethernet header included.
    #[inline(always)]
    pub const fn most(&self) -> u32 {
        self.most as u32
    }
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
}

/// Which VLANs a port is in: a bit for each, then a bit for each of those that leave it untagged.
pub type Vlans = [u64; VLAN_WORDS];
pub const VLAN_WORDS: usize = 2 * UNTAGGED;
/// Where the untagged ones begin.
pub const UNTAGGED: usize = 4096 / 64;

/// The maps as the decision asks them.
pub trait Tables {
    fn mac_allowed(&self, slot: u16, mac: u64) -> bool;
    fn ip_allowed(&self, slot: u16, address: [u8; 16]) -> bool;
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
    /// Takes so many places in the queue's ring for the source; false: it has its share.
    fn take_room(&self, slot: u16, queue: u16, places: u32) -> bool;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_reads_back_from_its_words() {
        let storm = Storm { frame_ns: 100_000, burst: 4096 };
        let mac = 0x0200_0000_00fe;
        let way = GatePort::way_word(method::PEER, mac);
        let port = GatePort::new(7, gate_flags::OFFLOAD, 5, 3, storm).with_way(way, 1514);
        let [identity, numbers, storm, way, most, 0, 0, 0] = port.words() else {
            panic!("{:?}", port.words())
        };
        assert_eq!(GatePort::of_words([identity, numbers, storm, way, most]), port);
        assert_eq!((port.method(), port.peer_mac(), port.most()), (method::PEER, mac, 1514));
        assert_eq!((port.ifindex(), port.pvid(), port.queue()), (7, 5, 3));
    }

    #[test]
    fn a_port_of_which_nothing_more_is_known_has_no_way() {
        let port = GatePort::new(7, 0, 0, 0, Storm::default());
        assert_eq!((port.method(), port.peer_mac(), port.most()), (method::NONE, 0, 0));
        let redirected = port.with_way(GatePort::way_word(method::REDIRECT, 0), u32::MAX);
        assert_eq!((redirected.method(), redirected.most()), (method::REDIRECT, u32::MAX));
        // Neither spills into the other.
        let torn = port.with_way(GatePort::way_word(u64::MAX, u64::MAX), 0);
        assert_eq!((torn.method(), torn.peer_mac(), torn.way >> 50), (3, (1 << 48) - 1, 0));
    }
}
