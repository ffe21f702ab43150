//! A port over AF_XDP: one socket per receive queue, and a packet socket for what a ring cannot take.
//!
//! Invariant: frames given to the kernel are recorded as this port's in the pool's table, and what the kernel
//! returns is checked against it. The port is bound on the control thread, used by one worker, and closed on
//! the control thread.
//!
//! - [`bind`]: configuration, sockets, errors
//! - [`kick`]: the meaning of the kernel's answer to "send"
//! - [`rx`]: fill rings and receive rings
//! - [`tx`]: the transmit ring, the packet socket, and the order between them
//! - [`line`]: replaces the ring where a device drops instead of pushing back, or has several transmit queues

mod bind;
mod kick;
mod line;
mod rx;
mod tx;

use std::os::fd::BorrowedFd;

use weir_core::{PortId, Reason};
use xsk_rs::FrameDesc;

pub use bind::{BindError, Transmit, XskConfig};

use crate::chain::Assembler;
use crate::egress::{Egress, TxFeatures, TxPath};
use crate::packet::Packet;
use crate::pool::Pool;
use crate::port::{Kick, Port, PortStats, Refused};
use crate::umem::{Rings, UmemHandle};
use crate::vnet::VnetSocket;

/// The number of descriptors moved between a ring and this program at a time.
const BATCH: usize = 64;

/// One receive queue of the device, and the socket on it.
#[derive(Debug)]
struct Queue {
    id: u32,
    rings: Rings,
    /// Frames that the kernel has for this queue to receive into.
    level: u32,
    chain: Assembler,
}

/// The port over AF_XDP; see the module.
#[derive(Debug)]
pub struct XskPort {
    slot: PortId,
    egress: Egress,
    /// The queues it receives from; none if the port only sends. The first one's transmit ring is the port's,
    /// unless there is a `sender`: one ring keeps one order.
    queues: Vec<Queue>,
    /// The socket of a port that only sends, if it sends by a ring.
    sender: Option<Rings>,
    vnet: VnetSocket,
    /// The number of frames that each queue's fill ring is kept at.
    quota: u32,
    /// The queue to receive from first.
    next_queue: usize,
    tx_size: u32,
    /// The free places in the transmit ring when it was last read, less what is staged.
    tx_room: u32,
    /// Given to `send`, and not in the ring yet.
    staged: Vec<FrameDesc>,
    /// Replaces the ring where the device cannot push back or has several transmit queues.
    line: Option<line::Line>,
    /// Frames in the ring (or the line) or with the kernel that are not completed.
    outstanding: u32,
    /// Frames dropped by the device that are still to be completed.
    dropped: u32,
    /// One kick empties the ring, unless the device is full.
    whole_ring_kicks: bool,
    down: bool,
    /// Set while the packet socket takes nothing.
    refusing: Option<tx::Refusing>,
    scratch: Box<[FrameDesc; BATCH]>,
    stats: PortStats,
    /// Keeps the shared memory and its anchor alive.
    _umem: UmemHandle,
}

/// The rings that a port sends by; `None` if it has only a line.
#[inline]
fn sending<'a>(sender: &'a mut Option<Rings>, queues: &'a mut [Queue]) -> Option<&'a mut Rings> {
    match sender {
        Some(rings) => Some(rings),
        None => queues.first_mut().map(|queue| &mut queue.rings),
    }
}

impl XskPort {
    pub fn slot(&self) -> PortId {
        self.slot
    }

    /// Each queue's socket, for the map by which the program redirects.
    pub fn xsk_fds(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.queues.iter().map(|queue| (queue.id, queue.rings.fd()))
    }

    /// Closes the sockets, which waits until the kernel is done with the port's frames. The worker must then
    /// take the frames back with `Pool::reclaim`.
    pub fn close(self) {
        drop(self);
    }
}

impl Port for XskPort {
    #[inline]
    fn refill(&mut self, pool: &mut Pool) {
        self.refill_all(pool);
    }

    #[inline]
    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Packet>, max: usize) -> usize {
        self.receive_some(pool, out, max)
    }

    #[inline]
    fn receives(&self) -> bool {
        !self.queues.is_empty()
    }

    #[inline]
    fn send(&mut self, pool: &mut Pool, mut packet: Packet) -> Result<(), Refused> {
        if self.down {
            return Err(Refused::Lost(packet, Reason::PortGone));
        }
        match self.egress.prepare(pool, &mut packet) {
            Ok((TxPath::Ring, completed)) => {
                self.stats.checksums_completed += u64::from(completed);
                if !self.has_room(1) {
                    return Err(Refused::Full(packet));
                }
                let idx = packet.into_head();
                self.stage(pool, idx);
                Ok(())
            }
            Ok((TxPath::Vnet(header), _)) => self.send_by_socket(pool, packet, &header),
            Ok((TxPath::Segment(how), _)) => self.send_cut(pool, packet, &how),
            Err(reason) => Err(Refused::Lost(packet, reason)),
        }
    }

    #[inline]
    fn kick_until(&mut self, pool: &mut Pool, until_ns: u64) -> Kick {
        if self.line.is_some() { self.kick_line(pool, until_ns) } else { self.kick_ring(until_ns) }
    }

    fn recall(&mut self, pool: &mut Pool) -> usize {
        self.take_back(pool)
    }

    #[inline]
    fn complete(&mut self, pool: &mut Pool) -> usize {
        self.reap(pool)
    }

    #[inline]
    fn tx_room(&self) -> usize {
        self.tx_room as usize
    }

    #[inline]
    fn tx_waiting(&self) -> usize {
        self.tx_size.saturating_sub(self.tx_room) as usize
    }

    #[inline]
    fn tx_outstanding(&self) -> usize {
        self.outstanding.saturating_sub(self.dropped) as usize
    }

    fn rx_waiting(&mut self) -> usize {
        self.queues.iter_mut().map(|queue| queue.rings.rx.nb_avail_exact() as usize).sum()
    }

    fn retune(&mut self, mtu: u32, features: TxFeatures) {
        self.egress = Egress { mtu, features };
    }

    fn stats(&self) -> PortStats {
        let mut stats = self.stats.clone();
        for queue in &self.queues {
            // A socket whose device is gone still answers. If one does not, its numbers are lost.
            if let Ok(kernel) = queue.rings.rx.fd().xdp_statistics() {
                stats.losses.add(Reason::FillEmpty, kernel.rx_dropped());
                stats.losses.add(Reason::RxRingFull, kernel.rx_ring_full());
            }
        }
        stats
    }

    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.queues.iter().map(|queue| queue.rings.fd())
    }
}
