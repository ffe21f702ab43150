//! Chooses the way by which a packet leaves a port.
//!
//! Invariant: when a way is returned, the packet is ready for it (its checksum completed or made partial). A
//! packet that no way can take is refused with a reason, unchanged.

use weir_abi::gso::gso_kind;
use weir_abi::meta_flags;
use weir_core::Reason;
use weir_core::offload::{GsoKind, Layout, VnetHeader, checksum, fit_mtu};

use crate::packet::Packet;
use crate::pool::{Pool, ROOM};

/// The offloads of the device. Superframes that it cannot take are segmented in software.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxFeatures {
    pub tso4: bool,
    pub tso6: bool,
    pub udp_l4: bool,
}

impl TxFeatures {
    pub const ALL: Self = Self { tso4: true, tso6: true, udp_l4: true };

    fn takes(self, kind: GsoKind) -> bool {
        match kind {
            GsoKind::Tcp4 => self.tso4,
            GsoKind::Tcp6 => self.tso6,
            GsoKind::UdpL4 => self.udp_l4,
        }
    }
}

/// The device that a packet is to leave by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Egress {
    pub(crate) mtu: u32,
    pub(crate) features: TxFeatures,
}

/// The way by which a packet leaves.
#[derive(Debug)]
pub(crate) enum TxPath {
    /// A single, finished frame: the transmit ring.
    Ring,
    /// The packet socket, with this header.
    Vnet(VnetHeader),
    /// It is cut in software into segments, which leave by the ring.
    Segment(Segments),
}

/// How a superframe is cut into segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    pub(crate) layout: Layout,
    pub(crate) kind: GsoKind,
    /// Payload bytes of each.
    pub(crate) size: u16,
}

impl Egress {
    /// Chooses the way and prepares the packet for it. The flag is true if a checksum was completed.
    #[inline]
    pub(crate) fn prepare(
        &self,
        pool: &mut Pool,
        packet: &mut Packet,
    ) -> Result<(TxPath, bool), Reason> {
        if packet.is_superframe() {
            return self.superframe(pool, packet).map(|way| (way, false));
        }
        // An MTU does not count the link header.
        if packet.len() > self.mtu.saturating_add(packet.link_header().into()) {
            return Err(Reason::MtuExceeded);
        }
        let partial = packet.has(meta_flags::CSUM_PARTIAL);
        if packet.frames() == 1 {
            let completed = partial && complete(pool, packet);
            return Ok((TxPath::Ring, completed));
        }
        let layout = if partial { parse(pool, packet) } else { None };
        let header = layout.map(|layout| VnetHeader::new(&layout, None, true));
        Ok((TxPath::Vnet(header.unwrap_or_default()), false))
    }

    fn superframe(&self, pool: &mut Pool, packet: &mut Packet) -> Result<TxPath, Reason> {
        let (layout, kind) = superframe_kind(pool, packet).ok_or(Reason::GsoUnsupported)?;
        let size = fit_mtu(&layout, packet.gso_size, self.mtu).ok_or(Reason::MtuExceeded)?;
        if self.features.takes(kind) {
            let l4_len = packet.len().saturating_sub(u32::from(layout.l4_off));
            let l4_len = u16::try_from(l4_len).map_err(|_| Reason::GsoUnsupported)?;
            checksum::make_partial(pool.head_mut(packet), &layout, l4_len)
                .ok_or(Reason::GsoUnsupported)?;
            return Ok(TxPath::Vnet(VnetHeader::new(&layout, Some((kind, size)), true)));
        }
        // A segment must fit into one frame. TCP segments may be made smaller.
        let room = ROOM as u32 - u32::from(layout.l3_off);
        let size = fit_mtu(&layout, size, room).ok_or(Reason::GsoUnsupported)?;
        Ok(TxPath::Segment(Segments { layout, kind, size }))
    }

    /// Chooses the way of a superframe that the device was expected to take and does not.
    pub(crate) fn without_device(
        self,
        pool: &mut Pool,
        packet: &mut Packet,
    ) -> Result<TxPath, Reason> {
        Self { features: TxFeatures::default(), ..self }.superframe(pool, packet)
    }
}

/// The headers and the kind of a superframe; `None` if it cannot be cut here.
pub(crate) fn superframe_kind(pool: &Pool, packet: &Packet) -> Option<(Layout, GsoKind)> {
    let layout = parse(pool, packet)?;
    let kind = match packet.gso_type() {
        gso_kind::TCP4 => GsoKind::Tcp4,
        gso_kind::TCP6 => GsoKind::Tcp6,
        gso_kind::UDP_L4 => GsoKind::UdpL4,
        _ => return None,
    };
    kind.fits(&layout).then_some((layout, kind))
}

fn parse(pool: &Pool, packet: &Packet) -> Option<Layout> {
    if packet.l4_off == 0 {
        return None;
    }
    Layout::parse(pool.head(packet), packet.l3_off(), packet.l4_off)
}

/// Completes the checksum of a packet that is one frame. A packet without a known checksum stays as it is: it
/// has nothing to complete.
fn complete(pool: &mut Pool, packet: &mut Packet) -> bool {
    let Some(layout) = parse(pool, packet) else { return false };
    let completed = checksum::complete(&mut [pool.head_mut(packet)], &layout);
    packet.flags &= !meta_flags::CSUM_PARTIAL;
    completed
}
