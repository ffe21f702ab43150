//! The kernel-free twin of [`crate::XskPort`]: same trait, same checks, rings in plain memory, and
//! a kernel that misbehaves on demand.
//!
//! Invariant: the "kernel" here touches only frames that were given to it, and each frame it got
//! comes back by a ring, or stays with it until it is reclaimed.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use weir_abi::{ABI_VERSION, META_LEN, Meta, meta_flags};
use weir_core::offload::VnetHeader;
use weir_core::{PortId, Reason};
use zerocopy::IntoBytes;

use crate::chain::{Assembler, Step};
use crate::egress::{Egress, TxFeatures, Way};
use crate::faults::{Dice, Faults};
use crate::packet::{MAX_FRAMES, Packet};
use crate::pool::{CHUNK, HEADROOM, Owner, Pool, ROOM};
use crate::port::{Kick, Port, PortStats, Refused};
use crate::segment::Cutter;

/// A frame that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub bytes: Vec<u8>,
    /// What the packet socket was told to do with it; `None`: it went by the ring.
    pub vnet: Option<VnetHeader>,
}

#[derive(Clone, Copy, Debug)]
struct Desc {
    addr: u64,
    len: u32,
    more: bool,
}

/// See the module.
#[derive(Debug)]
pub struct MemPort {
    slot: PortId,
    egress: Egress,
    ring: usize,
    quota: usize,
    faults: Faults,
    dice: Dice,
    fill: VecDeque<u32>,
    rx: VecDeque<Desc>,
    tx: VecDeque<u32>,
    completion: VecDeque<u32>,
    late: VecDeque<u32>,
    wire: VecDeque<Sent>,
    chain: Assembler,
    /// Given to the "kernel" to receive into, as the port counts it.
    level: usize,
    outstanding: usize,
    dropped: usize,
    /// While set, the device takes nothing, and says so as a device does that is down.
    down: bool,
    stats: PortStats,
}

impl MemPort {
    /// `ring` frames in each ring but the fill ring, which has twice as many.
    pub fn new(slot: PortId, ring: usize) -> Self {
        Self {
            slot,
            egress: Egress { mtu: 1500, features: TxFeatures::ALL },
            ring,
            quota: 2 * ring,
            faults: Faults::default(),
            dice: Dice::new(0),
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
            stats: PortStats::default(),
        }
    }

    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.dice = Dice::new(faults.seed);
        self.faults = faults;
        self
    }

    #[must_use]
    pub fn with_egress(mut self, mtu: u32, features: TxFeatures) -> Self {
        self.egress = Egress { mtu, features };
        self
    }

    pub fn slot(&self) -> PortId {
        self.slot
    }

    pub fn set_faults(&mut self, faults: Faults) {
        self.dice = Dice::new(faults.seed);
        self.faults = faults;
    }

    /// As `ip link set down` and `up`.
    pub fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    /// A frame arrives, parsed as the program does it. False if it was lost before the ring.
    pub fn push_rx(&mut self, pool: &mut Pool, bytes: &[u8], ingress_ns: u64) -> bool {
        let meta = match weir_abi::classify(bytes) {
            Ok(verdict) => Meta::new(&verdict, ingress_ns, bytes.len() as u32, self.slot.0),
            Err(_) => Meta {
                ingress_ns,
                len: bytes.len() as u32,
                port: self.slot.0,
                flags: meta_flags::OTHER,
                abi: ABI_VERSION,
                ..Meta::default()
            },
        };
        self.push_rx_meta(pool, bytes, &meta)
    }

    /// As [`Self::push_rx`], with metadata as given: for superframes.
    pub fn push_rx_meta(&mut self, pool: &mut Pool, bytes: &[u8], meta: &Meta) -> bool {
        let count = bytes.len().div_ceil(ROOM).max(1);
        let starved = self.dice.hits(self.faults.fill_empty);
        if starved || count > self.fill.len() || count > MAX_FRAMES {
            self.stats.losses.add(Reason::FillEmpty, 1);
            return false;
        }
        if self.rx.len() + count > self.ring || self.dice.hits(self.faults.rx_full) {
            self.stats.losses.add(Reason::RxRingFull, 1);
            return false;
        }
        let cut_short = count > 1 && self.dice.hits(self.faults.truncated_chain);
        for (nth, part) in bytes.chunks(ROOM).enumerate() {
            let Some(idx) = self.fill.pop_front() else { break };
            pool.set_len_of(idx, part.len() as u16);
            pool.bytes_of_mut(idx).copy_from_slice(part);
            if nth == 0 {
                let room = pool.headroom_mut(idx);
                if let Some(place) = room.get_mut(HEADROOM - META_LEN..) {
                    place.copy_from_slice(meta.as_bytes());
                }
            }
            let mut addr = u64::from(idx) * CHUNK as u64 + HEADROOM as u64;
            if self.dice.hits(self.faults.bad_descriptor) {
                // The frame itself stays with the kernel until it is reclaimed. (A kernel that names
                // another frame it has to fill cannot be told from an honest one.)
                addr ^= 1 << ((self.dice.below(44) + 32) % 64);
            }
            let more = nth + 1 < count;
            self.rx.push_back(Desc { addr, len: part.len() as u32, more });
            if cut_short && nth + 2 == count {
                // The chain ends without its last part, and its length gives it away.
                if let Some(last) = self.rx.back_mut() {
                    last.more = false;
                }
                return true;
            }
        }
        true
    }

    /// The next frame that left.
    pub fn take_tx(&mut self) -> Option<Sent> {
        self.wire.pop_front()
    }

    /// Frames that left and were not taken from here yet.
    pub fn sent(&self) -> usize {
        self.wire.len()
    }

    fn has_room(&self, frames: usize) -> bool {
        self.tx.len() + frames <= self.ring
    }

    fn stage(&mut self, pool: &mut Pool, idx: u32) {
        pool.set_owner(idx, Owner::Tx(self.slot));
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
        if self.dice.hits(self.faults.no_buffers) {
            self.stats.vnet_refused += 1;
            return Err(Refused::Full(packet));
        }
        if self.dice.hits(self.faults.tx_error) {
            return Err(Refused::Lost(packet, Reason::TxError));
        }
        let bytes = pool.chunks(&packet).collect::<Vec<_>>().concat();
        self.stats.vnet_packets += 1;
        self.stats.tx_packets += 1;
        self.stats.tx_bytes += bytes.len() as u64;
        self.stats.tx_superframes += u64::from(packet.is_superframe());
        self.wire.push_back(Sent { bytes, vnet: Some(vnet) });
        pool.release(packet);
        Ok(())
    }

    fn send_segments(
        &mut self,
        pool: &mut Pool,
        packet: Packet,
        cutter: &Cutter,
    ) -> Result<(), Refused> {
        let count = cutter.count();
        if count > self.ring {
            return Err(Refused::Lost(packet, Reason::GsoUnsupported));
        }
        if !self.has_room(count) {
            return Err(Refused::Full(packet));
        }
        let cut = cutter.cut(pool, &packet, |pool, idx| self.stage(pool, idx));
        if let Err(reason) = cut {
            return Err(Refused::Lost(packet, reason));
        }
        self.stats.segmented += 1;
        self.stats.segments_made += count as u64 - 1;
        pool.release(packet);
        Ok(())
    }

    /// The device drops the first frame in the ring, or sends it.
    fn transmit(&mut self, pool: &Pool, idx: u32, drop: bool) {
        if drop {
            self.stats.kick_busy += 1;
            self.stats.losses.add(Reason::TxBusy, 1);
            self.dropped += 1;
        } else {
            self.wire.push_back(Sent { bytes: pool.bytes_of(idx).to_vec(), vnet: None });
        }
        if self.dice.hits(self.faults.late_completion) {
            self.late.push_back(idx);
        } else {
            self.completion.push_back(idx);
        }
    }
}

impl Port for MemPort {
    fn refill(&mut self, pool: &mut Pool) {
        let wanted = (self.quota - self.level.min(self.quota)).min(pool.available_to_fill());
        for _ in 0..wanted {
            let Some(frame) = pool.alloc() else { break };
            let idx = frame.into_index();
            pool.set_owner(idx, Owner::Fill(self.slot));
            self.fill.push_back(idx);
            self.level += 1;
        }
    }

    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Packet>, max: usize) -> usize {
        let max = max.min(out.capacity() - out.len());
        let before = out.len();
        while out.len() - before < max {
            let Some(desc) = self.rx.pop_front() else { break };
            let (step, ours) = self.chain.push(pool, desc.addr, desc.len, desc.more);
            self.level -= usize::from(ours && self.level > 0);
            match step {
                Step::Packet(packet) => {
                    self.stats.rx_packets += 1;
                    self.stats.rx_bytes += u64::from(packet.len());
                    self.stats.rx_superframes += u64::from(packet.is_superframe());
                    out.push(packet);
                }
                Step::Lost(reason) => self.stats.losses.add(reason, 1),
                Step::More | Step::Rest => {}
            }
        }
        out.len() - before
    }

    fn send(&mut self, pool: &mut Pool, mut packet: Packet) -> Result<(), Refused> {
        if self.down {
            return Err(Refused::Lost(packet, Reason::PortGone));
        }
        match self.egress.prepare(pool, &mut packet) {
            Ok((Way::Ring, completed)) => {
                self.stats.checksums_completed += u64::from(completed);
                if !self.has_room(1) || self.dice.hits(self.faults.tx_full) {
                    return Err(Refused::Full(packet));
                }
                let idx = packet.into_head();
                self.stage(pool, idx);
                Ok(())
            }
            Ok((Way::Vnet(header), _)) => self.send_by_socket(pool, packet, header),
            Ok((Way::Segment(layout, kind, gso_size), _)) => {
                match Cutter::new(pool, &packet, &layout, kind, gso_size) {
                    Ok(cutter) => self.send_segments(pool, packet, &cutter),
                    Err(reason) => Err(Refused::Lost(packet, reason)),
                }
            }
            Err(reason) => Err(Refused::Lost(packet, reason)),
        }
    }

    fn kick(&mut self, pool: &mut Pool) -> Kick {
        if self.down {
            self.stats.kick_down += 1;
            return Kick::Down;
        }
        if self.tx.is_empty() {
            return Kick::Idle;
        }
        self.stats.kicks += 1;
        let mut budget = self.tx.len();
        if self.dice.hits(self.faults.again) {
            budget = 0;
        } else if self.dice.hits(self.faults.short_send) {
            budget = self.dice.below(budget);
        }
        for _ in 0..budget {
            let Some(idx) = self.tx.pop_front() else { break };
            let drop = self.dice.hits(self.faults.busy);
            self.transmit(pool, idx, drop);
        }
        if budget == 0 {
            self.stats.kick_again += 1;
            return Kick::Again;
        }
        Kick::Progress(budget)
    }

    fn complete(&mut self, pool: &mut Pool) -> usize {
        if self.completion.is_empty() {
            std::mem::swap(&mut self.completion, &mut self.late);
        }
        let mut reaped = 0;
        while let Some(idx) = self.completion.pop_front() {
            let mut addr = u64::from(idx) * CHUNK as u64 + HEADROOM as u64;
            if self.dice.hits(self.faults.bad_descriptor) {
                // The true completion follows: the kernel said one thing too many.
                self.completion.push_back(idx);
                addr = u64::MAX << self.dice.below(20);
            }
            let Some(len) = pool.complete(self.slot, addr) else {
                self.stats.bad_completions += 1;
                continue;
            };
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
