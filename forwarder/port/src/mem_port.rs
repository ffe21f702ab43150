//! The kernel-free twin of [`crate::XskPort`]: the same trait and checks, rings in plain memory, and a kernel
//! that misbehaves on demand.
//!
//! Invariant: the "kernel" here touches only frames that were given to it. Each frame that it got is returned
//! by a ring, or stays with it until it is reclaimed.

mod kernel;

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use weir_core::offload::VnetHeader;
use weir_core::sim::Random;
use weir_core::{PortId, Reason};

use crate::chain::Assembler;
use crate::egress::{Egress, Segments, TxFeatures, TxPath};
use crate::packet::Packet;
use crate::pool::{CHUNK, HEADROOM, Owner, Pool};
use crate::port::{Kick, Port, PortStats, Refused};

pub use self::kernel::Faults;

/// A frame that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub bytes: Vec<u8>,
    /// The header given to the packet socket; `None`: the frame left by the ring.
    pub vnet: Option<VnetHeader>,
}

#[derive(Clone, Copy, Debug)]
struct Desc {
    addr: u64,
    len: u32,
    more: bool,
}

/// The kernel-free port; see the module.
#[derive(Debug)]
pub struct MemPort {
    pub slot: PortId,
    egress: Egress,
    ring: usize,
    faults: Faults,
    random: Random,
    fill: VecDeque<u32>,
    rx: VecDeque<Desc>,
    tx: VecDeque<u32>,
    completion: VecDeque<u32>,
    late: VecDeque<u32>,
    wire: VecDeque<Sent>,
    chain: Assembler,
    /// Frames given to the "kernel" to receive into, as the port counts them.
    level: usize,
    outstanding: usize,
    dropped: usize,
    /// While set, the device takes nothing, and answers as a device does that is down.
    pub down: bool,
    receives: bool,
    /// The number of calls of `refill`, `receive`, `kick` and `complete`, including those without anything to
    /// do.
    pub visits: u64,
    stats: PortStats,
}

impl MemPort {
    /// `ring` frames in each ring but the fill ring, which has twice as many.
    pub fn new(slot: PortId, ring: usize) -> Self {
        Self {
            slot,
            egress: Egress { mtu: 1500, features: TxFeatures::ALL },
            ring,
            faults: Faults::default(),
            random: Random::new(0, 0),
            fill: VecDeque::with_capacity(2 * ring),
            rx: VecDeque::with_capacity(ring),
            tx: VecDeque::with_capacity(ring),
            completion: VecDeque::with_capacity(ring),
            late: VecDeque::with_capacity(ring),
            wire: VecDeque::new(),
            chain: Assembler::new(slot),
            level: 0,
            outstanding: 0,
            dropped: 0,
            down: false,
            receives: true,
            visits: 0,
            stats: PortStats::default(),
        }
    }

    /// A port whose frames arrive by another port's ring.
    pub fn send_only(slot: PortId, ring: usize) -> Self {
        Self { receives: false, ..Self::new(slot, ring) }
    }

    pub fn set_faults(&mut self, faults: Faults) {
        self.random = Random::new(faults.seed, 0);
        self.faults = faults;
    }

    /// Whether a fault of this frequency happens now.
    fn hits(&mut self, thousandths: u16) -> bool {
        self.random.below(1000) < u64::from(thousandths)
    }

    fn has_room(&self, frames: usize) -> bool {
        self.tx.len() + frames <= self.ring
    }

    fn stage(&mut self, pool: &mut Pool, idx: u32) {
        pool.set_owner(idx, Owner::tx(self.slot));
        self.tx.push_back(idx);
        self.outstanding += 1;
    }

    fn send_by_socket(
        &mut self,
        pool: &mut Pool,
        packet: Packet,
        vnet: VnetHeader,
    ) -> Result<(), Refused> {
        if !self.tx.is_empty() {
            self.kick(pool);
            if !self.tx.is_empty() {
                return Err(Refused::Full(packet));
            }
        }
        if self.hits(self.faults.no_buffers) {
            self.stats.vnet_refused += 1;
            return Err(Refused::Full(packet));
        }
        if self.hits(self.faults.tx_error) {
            return Err(Refused::Lost(packet, Reason::TxError));
        }
        let bytes = pool.chunks(&packet).collect::<Vec<_>>().concat();
        self.stats.sent_by_socket(&packet);
        self.wire.push_back(Sent { bytes, vnet: Some(vnet) });
        pool.release(packet);
        Ok(())
    }

    fn send_cut(&mut self, pool: &mut Pool, packet: Packet, how: &Segments) -> Result<(), Refused> {
        let cut = match pool.plan_segments(&packet, how, self.ring) {
            Ok(cut) => cut,
            Err(reason) => return Err(Refused::Lost(packet, reason)),
        };
        let count = cut.count() as usize;
        if !self.has_room(count) {
            return Err(Refused::Full(packet));
        }
        if let Err(reason) = pool.cut_segments(&cut, &packet, |pool, idx| self.stage(pool, idx)) {
            return Err(Refused::Lost(packet, reason));
        }
        self.stats.cut(count);
        pool.release(packet);
        Ok(())
    }
}

impl Port for MemPort {
    fn refill(&mut self, pool: &mut Pool) {
        self.visits += 1;
        let wanted = (2 * self.ring).saturating_sub(self.level).min(pool.available_to_fill());
        for _ in 0..wanted {
            let Some(frame) = pool.alloc() else { break };
            let idx = frame.into_index();
            pool.set_owner(idx, Owner::fill(self.slot));
            self.fill.push_back(idx);
            self.level += 1;
        }
    }

    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Packet>, max: usize) -> usize {
        self.visits += 1;
        let max = max.min(out.capacity() - out.len());
        let before = out.len();
        while out.len() - before < max {
            let Some(desc) = self.rx.pop_front() else { break };
            let (assembled, ours) = self.chain.push(pool, desc.addr, desc.len, desc.more);
            self.level -= usize::from(ours && self.level > 0);
            self.stats.received(assembled, out);
        }
        out.len() - before
    }

    fn receives(&self) -> bool {
        self.receives
    }

    fn send(&mut self, pool: &mut Pool, mut packet: Packet) -> Result<(), Refused> {
        if self.down {
            return Err(Refused::Lost(packet, Reason::PortGone));
        }
        match self.egress.prepare(pool, &mut packet) {
            Ok((TxPath::Ring, completed)) => {
                self.stats.checksums_completed += u64::from(completed);
                if !self.has_room(1) || self.hits(self.faults.tx_full) {
                    return Err(Refused::Full(packet));
                }
                let idx = packet.into_head();
                self.stage(pool, idx);
                Ok(())
            }
            Ok((TxPath::Vnet(header), _)) => self.send_by_socket(pool, packet, header),
            Ok((TxPath::Segment(how), _)) => self.send_cut(pool, packet, &how),
            Err(reason) => Err(Refused::Lost(packet, reason)),
        }
    }

    /// Makes one attempt only, so the deadline does not matter.
    fn kick_until(&mut self, pool: &mut Pool, _until_ns: u64) -> Kick {
        self.visits += 1;
        if self.down {
            return Kick::Down;
        }
        if self.tx.is_empty() {
            return Kick::Idle;
        }
        self.stats.kicks += 1;
        let mut budget = self.tx.len();
        if self.hits(self.faults.again) {
            budget = 0;
        } else if self.hits(self.faults.short_send) {
            budget = self.random.below(budget as u64) as usize;
        }
        for _ in 0..budget {
            let Some(idx) = self.tx.pop_front() else { break };
            let drop = self.hits(self.faults.busy);
            self.transmit(pool, idx, drop);
        }
        if budget == 0 {
            self.stats.kick_again += 1;
            return Kick::Again;
        }
        Kick::Progress(budget)
    }

    /// This kernel reads the ring only when it is kicked.
    fn recall(&mut self, pool: &mut Pool) -> usize {
        let taken = self.tx.len();
        self.tx.drain(..).for_each(|idx| pool.free_index(idx));
        self.outstanding -= taken;
        self.stats.losses.add(Reason::Stalled, taken as u64);
        taken
    }

    fn complete(&mut self, pool: &mut Pool) -> usize {
        self.visits += 1;
        if self.completion.is_empty() {
            std::mem::swap(&mut self.completion, &mut self.late);
        }
        let mut reaped = 0;
        while let Some(idx) = self.completion.pop_front() {
            let mut addr = u64::from(idx) * CHUNK as u64 + HEADROOM as u64;
            if self.hits(self.faults.bad_descriptor) {
                // The correct completion follows: this one is an extra, false report.
                self.completion.push_back(idx);
                addr = u64::MAX << self.random.below(20);
            }
            let Some(len) = pool.complete(self.slot, addr) else { continue };
            reaped += 1;
            if self.dropped > 0 {
                self.dropped -= 1;
            } else {
                self.stats.tx_packets += 1;
                self.stats.tx_bytes += u64::from(len);
            }
        }
        self.outstanding -= reaped;
        reaped
    }

    fn tx_room(&self) -> usize {
        self.ring - self.tx.len()
    }

    fn tx_waiting(&self) -> usize {
        self.tx.len()
    }

    fn tx_outstanding(&self) -> usize {
        self.outstanding - self.dropped
    }

    fn rx_waiting(&mut self) -> usize {
        self.rx.len()
    }

    fn retune(&mut self, mtu: u32, features: TxFeatures) {
        self.egress = Egress { mtu, features };
    }

    fn stats(&self) -> PortStats {
        self.stats.clone()
    }

    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::empty()
    }
}
