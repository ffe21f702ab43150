//! A port over AF_XDP: one socket per receive queue, and a packet socket for what a ring cannot take.
//!
//! Invariant: frames given to the kernel are recorded as this port's in the pool's table, and what the kernel
//! returns is checked against it. Frames put into a fill ring are returned by the receive ring or reclaimed.
//! The port is bound on the control thread, used by one worker, and closed on the control thread.
//!
//! - [`bind`]: configuration, sockets, errors
//! - [`tx`]: the transmit ring, the packet socket, and the order between them
//! - [`line`]: replaces the ring where a device drops instead of pushing back, or has several transmit queues

mod bind;
mod line;
mod tx;

use std::os::fd::BorrowedFd;

use weir_core::{PortId, Reason, broken, invariant};
use xsk_rs::FrameDesc;

pub use bind::{BindError, Transmit, XskConfig};

use crate::chain::Assembler;
use crate::egress::{Egress, TxFeatures, TxPath};
use crate::packet::Packet;
use crate::pool::{CHUNK, Owner, Pool};
use crate::port::{Kick, Port, PortStats, Refused};
use crate::umem::{Rings, UmemHandle};
use crate::vnet::VnetSocket;

/// The number of descriptors moved between a ring and this program at a time.
const BATCH: usize = 64;
/// How many frames ahead memory is prefetched: more than a core can have outstanding is of no use.
const AHEAD: usize = 8;

/// One receive queue of the device, and the socket on it.
#[derive(Debug)]
struct Queue {
    id: u32,
    rings: Rings,
    /// Frames that the kernel has for this queue to receive into: those put into its fill ring and not returned.
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
        let (quota, slot) = (self.quota, self.slot);
        // In batches, because each access to the ring's shared indices is expensive.
        let worth_it = (BATCH as u32).min(quota.div_ceil(2));
        for queue in &mut self.queues {
            while quota.saturating_sub(queue.level) >= worth_it {
                let missing = (quota - queue.level) as usize;
                let wanted = missing.min(BATCH).min(pool.available_to_fill());
                if wanted > 0 {
                    pool.order_next();
                }
                let mut count = 0;
                for place in self.scratch.iter_mut().take(wanted) {
                    let Some(frame) = pool.alloc() else {
                        broken!("there are fewer free frames than were counted");
                        break;
                    };
                    let idx = frame.into_index();
                    let Some(desc) = pool.memory.desc(idx) else {
                        broken!("a port's pool is in plain memory");
                        pool.free_index(idx);
                        break;
                    };
                    pool.set_owner(idx, Owner::fill(slot));
                    *place = desc;
                    count += 1;
                }
                let batch = self.scratch.get(..count).unwrap_or_default();
                if !put(queue, pool, batch) {
                    break;
                }
            }
        }
    }

    #[inline]
    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Packet>, max: usize) -> usize {
        let Self { queues, scratch, stats, next_queue, .. } = self;
        let max = max.min(out.capacity() - out.len());
        let before = out.len();
        let count = queues.len();
        for nth in 0..count {
            let at = (*next_queue + nth) % count;
            let Some(queue) = queues.get_mut(at) else { continue };
            loop {
                // A descriptor makes at most one packet.
                let wanted = (max - (out.len() - before)).min(BATCH);
                let batch = scratch.get_mut(..wanted).unwrap_or_default();
                // SAFETY: these descriptors are overwritten with what the kernel received; they name no frame
                // that has an owner.
                let got = unsafe { queue.rings.rx.consume(batch) };
                let batch = batch.get(..got).unwrap_or_default();
                for desc in batch.iter().take(AHEAD) {
                    pool.prefetch(desc.addr() as u64);
                }
                for (at, desc) in batch.iter().enumerate() {
                    if let Some(later) = batch.get(at + AHEAD) {
                        pool.prefetch(later.addr() as u64);
                    }
                    let (addr, len) = (desc.addr() as u64, desc.lengths().data() as u32);
                    let (assembled, ours) =
                        queue.chain.push(pool, addr, len, desc.has_more_frames());
                    queue.level -= u32::from(ours && queue.level > 0);
                    stats.received(assembled, out);
                }
                if got < BATCH {
                    break;
                }
            }
        }
        // The next call starts with another queue, whether this one was emptied or not.
        *next_queue = (*next_queue + 1) % count.max(1);
        out.len() - before
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

    #[cold]
    fn recall(&mut self, pool: &mut Pool) -> usize {
        let mut taken = self.empty_line(pool, Reason::Stalled);
        while let Some(desc) = self.staged.pop() {
            if pool.complete(self.slot, desc.addr() as u64).is_none() {
                broken!("what was staged is not the port's to send");
                continue;
            }
            self.outstanding = self.outstanding.saturating_sub(1);
            self.stats.losses.add(Reason::Stalled, 1);
            taken += 1;
        }
        self.waiting();
        taken
    }

    #[inline]
    fn complete(&mut self, pool: &mut Pool) -> usize {
        if self.outstanding == 0 {
            return 0;
        }
        let Self { sender, queues, scratch, stats, .. } = self;
        let Some(rings) = sending(sender, queues) else { return 0 };
        let mut reaped = 0;
        loop {
            // SAFETY: these descriptors are overwritten with what the kernel completed; they name no frame
            // that has an owner.
            let got = unsafe { rings.completion.consume(&mut scratch[..]) };
            for desc in scratch.iter().take(got) {
                // What was not being sent is not believed.
                let Some(len) = pool.complete(self.slot, desc.addr() as u64) else { continue };
                reaped += 1;
                if self.dropped > 0 {
                    // The kernel does not tell which of the completed frames the device dropped.
                    self.dropped -= 1;
                } else {
                    stats.tx_packets += 1;
                    stats.tx_bytes += u64::from(len);
                }
            }
            if got < BATCH {
                break;
            }
        }
        invariant!(reaped <= self.outstanding, "more was completed than was sent");
        self.outstanding -= reaped.min(self.outstanding);
        if self.tx_room < self.tx_size / 2 {
            self.flush();
            self.waiting();
        }
        reaped as usize
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

/// Puts frames into the fill ring, or back into the pool. Returns false if no more can be put now.
fn put(queue: &mut Queue, pool: &mut Pool, batch: &[FrameDesc]) -> bool {
    if batch.is_empty() {
        return false;
    }
    // SAFETY: the frames were free and are recorded as this port's to fill: nothing touches them until the
    // kernel returns them.
    let put = unsafe { queue.rings.fill.produce(batch) };
    queue.level += put as u32;
    for desc in batch.iter().skip(put) {
        pool.free_index((desc.addr() / CHUNK) as u32);
    }
    put == batch.len()
}
