//! A port over AF_XDP: one socket per receive queue, and a packet socket for what a ring cannot
//! take.
//!
//! Invariant: frames given to the kernel are written down as this port's in the pool's table;
//! what the kernel hands back is checked against it. Bound on the control thread, used by one
//! worker, closed on the control thread again.
//!
//! - [`bind`]: configuration, sockets, what can go wrong
//! - [`kick`]: what the kernel's answer to "send" means
//! - [`rx`]: fill rings and receive rings
//! - [`tx`]: the transmit ring, the packet socket, and the order between them
//! - [`line`]: what stands in for the ring where a device drops instead of pushing back, or has
//!   several transmit queues

mod bind;
mod kick;
mod line;
mod rx;
mod tx;

use std::os::fd::BorrowedFd;

use weir_core::{PortId, Reason};
use xsk_rs::FrameDesc;

pub use bind::{Attach, BindError, Transmit, XskConfig};

use crate::chain::Assembler;
use crate::egress::{Egress, TxFeatures};
use crate::packet::Packet;
use crate::pool::Pool;
use crate::port::{Kick, Port, PortStats, Refused};
use crate::umem::{Rings, UmemHandle};
use crate::vnet::VnetSocket;

/// Descriptors moved between a ring and this program at a time.
const BATCH: usize = 64;

/// One receive queue of the device, and the socket on it.
#[derive(Debug)]
struct Queue {
    id: u32,
    rings: Rings,
    /// Frames the kernel has for this queue to receive into.
    level: u32,
    chain: Assembler,
}

/// See the module.
#[derive(Debug)]
pub struct XskPort {
    name: String,
    slot: PortId,
    egress: Egress,
    /// Those it receives from; none if the port only sends. The first one's transmit ring is the
    /// port's, unless there is a `sender`: one ring, one order.
    queues: Vec<Queue>,
    /// The socket of a port that only sends, if it does so by a ring.
    sender: Option<Rings>,
    vnet: VnetSocket,
    /// Frames that each queue's fill ring is kept at.
    quota: u32,
    /// The queue to receive from first.
    next_queue: usize,
    tx_size: u32,
    /// Free places in the transmit ring, as of the last look; what is staged is taken off.
    tx_room: u32,
    /// Given to `send`, not in the ring yet.
    staged: Vec<FrameDesc>,
    /// Instead of the ring, where the device cannot push back or has several transmit queues.
    line: Option<line::Line>,
    /// In the ring (or the line) or with the kernel, not completed.
    outstanding: u32,
    /// Dropped by the device, and still to be completed.
    dropped: u32,
    /// One kick empties the ring, unless the device is full.
    whole_ring_kicks: bool,
    down: bool,
    /// The packet socket takes nothing at the moment.
    refusing: Option<tx::Refusing>,
    scratch: Box<[FrameDesc; BATCH]>,
    stats: PortStats,
    /// Keeps the shared memory and its anchor.
    _umem: UmemHandle,
}

/// The rings that a port sends by; `None` if it has a line only.
#[inline]
fn sending<'a>(sender: &'a mut Option<Rings>, queues: &'a mut [Queue]) -> Option<&'a mut Rings> {
    match sender {
        Some(rings) => Some(rings),
        None => queues.first_mut().map(|queue| &mut queue.rings),
    }
}

impl XskPort {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn slot(&self) -> PortId {
        self.slot
    }

    /// Each queue's socket, for the map that the program redirects by.
    pub fn xsk_fds(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.queues.iter().map(|queue| (queue.id, queue.rings.fd()))
    }

    /// Closes the sockets, which waits until the kernel is done with the port's frames. They then
    /// still have to be taken back: `Pool::reclaim` on the worker.
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
    fn send(&mut self, pool: &mut Pool, packet: Packet) -> Result<(), Refused> {
        self.send_one(pool, packet)
    }

    #[inline]
    fn kick_until(&mut self, pool: &mut Pool, until_ns: u64) -> Kick {
        self.kick_any(pool, until_ns)
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
            // A socket whose device is gone still answers; if one does not, its numbers are lost.
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
