//! A packet: a chain of frames (nearly always one), and the XDP program's description of it.
//!
//! Invariant: a packet owns every frame of its chain. It is move-only and ends in a port or in
//! [`Pool::release`]. Its offsets have at most 16 bits; code that uses them must check that the bytes exist.

use weir_abi::{Meta, meta_flags};
use weir_core::PortId;

use crate::frame::Frame;
use crate::pool::{NONE, Owner, Pool, ROOM};

/// Longest chain: a 64 kB superframe with its headers.
pub const MAX_FRAMES: usize = weir_abi::MAX_CHAIN as usize;
const _: () = assert!(ROOM == weir_abi::FRAME_ROOM as usize, "the program counts as we do");

/// A packet; see the module. Fields are in groups of eight bytes. A field stored singly and moved with others
/// a moment later then never straddles two stores, which would stall.
#[repr(C)]
#[derive(Debug)]
pub struct Packet {
    /// When the program saw it, on CLOCK_MONOTONIC.
    pub ingress_ns: u64,
    /// When a worker took it from the receive ring; before that, the program's time.
    pub taken_ns: u64,
    head: Frame,
    len: u32,
    pub flow_hash: u32,
    /// The flow that it belongs to, as the worker that has the packet names it; 0 until it is set.
    pub flow: u32,
    /// The flags of `weir_abi::meta_flags`.
    pub flags: u16,
    pub l4_off: u16,
    /// Payload bytes per segment; 0: not a superframe.
    pub gso_size: u16,
    /// Outermost VLAN id; 0: untagged.
    pub vlan: u16,
    /// The bytes that a superframe takes on the wire beyond its length: the headers of all segments but the
    /// first. Set when a shaped link needs it; zero before.
    more_on_wire: u16,
    pub ingress: PortId,
    /// [`weir_abi::NO_EGRESS`]: the program named no port.
    egress: u16,
    /// The number of frames in the chain (five bits) and the kind of superframe (three).
    shape: u8,
    /// The number by which a trace or capture recognises the packet; 0: none follows it.
    pub mark: u8,
}

const _: () = assert!(MAX_FRAMES < 1 << 5 && weir_abi::gso_kind::UDP_L4 < 1 << 3);
const ETHERNET: u16 = 14;
const TAG: u16 = 4;
const _: () = assert!(size_of::<Packet>() <= 48, "a packet is moved several times on its way");

/// Workers pass packets to each other.
const _: fn() = || {
    const fn crosses_threads<T: Send>() {}
    crosses_threads::<Packet>();
    crosses_threads::<Pool>();
};

const fn shape(frames: u16, gso_type: u8) -> u8 {
    (frames as u8) << 3 | gso_type & 7
}

impl Packet {
    #[inline]
    pub(crate) fn new(head: Frame, frames: u16, ingress: PortId, meta: &Meta) -> Self {
        Self {
            ingress_ns: meta.ingress_ns,
            taken_ns: meta.ingress_ns,
            head,
            len: meta.len,
            flow_hash: meta.flow_hash,
            flow: 0,
            flags: meta.flags,
            l4_off: meta.l4_off,
            gso_size: meta.gso_size,
            vlan: meta.vlan,
            more_on_wire: 0,
            ingress,
            egress: meta.egress,
            shape: shape(frames, meta.gso_type),
            mark: 0,
        }
    }

    /// The length of the whole packet, over all frames of its chain.
    #[inline]
    pub fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// UMEM frames in the chain.
    #[inline]
    pub fn frames(&self) -> u16 {
        u16::from(self.shape >> 3)
    }

    /// The port by which it leaves, as the program decided; `None`: the program named none.
    #[inline]
    pub fn egress(&self) -> Option<PortId> {
        (self.egress != weir_abi::NO_EGRESS).then_some(PortId(self.egress))
    }

    #[inline]
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Describes a piece of this packet: a separate chain of another length, of the same flow and age.
    /// Without a segment size it is no longer a superframe. Its checksum is partial.
    pub(crate) fn piece(&self, head: Frame, frames: u16, len: u32, gso_size: u16) -> Self {
        let (mut flags, mut gso_type) = (self.flags | meta_flags::CSUM_PARTIAL, self.gso_type());
        if gso_size == 0 {
            flags &= !meta_flags::GSO;
            gso_type = 0;
        }
        let shape = shape(frames, gso_type);
        Self { head, len, flags, gso_size, more_on_wire: 0, shape, ..*self }
    }

    /// Computes the wire length of all segments from the length of their headers.
    pub(crate) fn reckon_wire(&mut self, headers: u16) {
        let payload = self.len.saturating_sub(u32::from(headers));
        let segments = payload.div_ceil(u32::from(self.gso_size).max(1)).max(1);
        let more = if self.gso_size == 0 { 0 } else { (segments - 1) * u32::from(headers) };
        self.more_on_wire = u16::try_from(more).unwrap_or(u16::MAX);
    }

    /// Offset of the IP or ARP header; 0: none.
    #[inline]
    pub fn l3_off(&self) -> u16 {
        if self.flags & (meta_flags::IPV4 | meta_flags::IPV6 | meta_flags::ARP) == 0 {
            return 0;
        }
        self.link_header()
    }

    /// Bytes in front of the L3 packet: the Ethernet header with its tags.
    #[inline]
    pub(crate) fn link_header(&self) -> u16 {
        let tags =
            u16::from(self.has(meta_flags::TAGGED)) + u16::from(self.has(meta_flags::TAGGED2));
        ETHERNET + TAG * tags
    }

    /// The kind of superframe, as in [`weir_abi::gso_kind`].
    #[inline]
    pub fn gso_type(&self) -> u8 {
        self.shape & 7
    }

    #[inline]
    pub fn is_superframe(&self) -> bool {
        self.gso_size != 0
    }

    /// Exchanges the packet for the number of its first frame.
    #[inline]
    pub(crate) fn into_head(self) -> u32 {
        self.head.into_index()
    }
}

impl weir_core::Packet for Packet {
    /// The length on the wire, which links, queues and shares count.
    #[inline]
    fn len(&self) -> u32 {
        self.len + u32::from(self.more_on_wire)
    }

    #[inline]
    fn arrived_ns(&self) -> u64 {
        self.ingress_ns
    }

    #[inline]
    fn frames(&self) -> u32 {
        u32::from(self.shape >> 3)
    }
}

impl Pool {
    /// The bytes in the first frame: all headers, and the whole packet if it is no chain.
    #[inline]
    pub fn head<'a>(&'a self, packet: &'a Packet) -> &'a [u8] {
        self.bytes_of(packet.head.index())
    }

    #[inline]
    pub fn head_mut<'a>(&'a mut self, packet: &'a mut Packet) -> &'a mut [u8] {
        self.bytes_of_mut(packet.head.index())
    }

    /// The bytes of a packet, frame by frame.
    #[inline]
    pub fn chunks<'a>(&'a self, packet: &'a Packet) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.chain(packet.head.index()).map(|at| self.bytes_of(at))
    }

    /// The frames of a chain.
    #[inline]
    pub(crate) fn chain(&self, head: u32) -> impl Iterator<Item = u32> + Clone {
        let frame = |at: u32| (at != NONE).then_some(at);
        std::iter::successors(frame(head), move |&at| frame(self.next(at)))
    }

    /// Frees a packet's frames.
    #[inline]
    pub fn release(&mut self, packet: Packet) {
        self.free_chain(packet.into_head());
    }

    #[inline]
    pub(crate) fn free_chain(&mut self, head: u32) {
        let mut at = head;
        while at != NONE {
            let next = self.next(at);
            self.free_index(at);
            at = next;
        }
    }

    /// Makes a packet with these bytes, described by `meta`. Returns `None` if there are not enough frames,
    /// or the chain would be too long.
    pub fn compose(&mut self, bytes: &[u8], meta: &Meta) -> Option<Packet> {
        let (head, frames) = self.chain_of(bytes.len()).ok()?;
        let mut at = head.index();
        for part in bytes.chunks(ROOM) {
            self.bytes_of_mut(at).copy_from_slice(part);
            at = self.next(at);
        }
        let meta = Meta { len: bytes.len() as u32, ..*meta };
        Some(Packet::new(head, frames, PortId(meta.port), &meta))
    }

    /// Sets the owner of every frame of a chain.
    pub(crate) fn set_chain_owner(&mut self, head: u32, owner: Owner) {
        let mut at = head;
        while at != NONE {
            self.set_owner(at, owner);
            at = self.next(at);
        }
    }
}
