//! What the table keeps for one flow. Invariant: a row without a part of the bins has the residence of every
//! packet it delivered in `firsts`.

use hdrhistogram::Histogram;

use super::bins::{Bins, Part};
use super::index::Way;
use super::{FlowCounts, FlowRef, PackedKey};
use crate::Losses;
use crate::latency::{Bin, LONGEST_NS, histogram, to_histogram};

/// Residences kept in the row itself. Most flows of a flood or of a resolver have no more, and so never need
/// a histogram.
pub(super) const FIRSTS: usize = 4;

/// The number of packets from which on a flow counts as established.
const ESTABLISHED: u8 = 3;

/// The fields that every packet reads and writes come first: two cache lines.
#[derive(Default)]
#[repr(C, align(64))]
pub(super) struct FlowState {
    pub(super) key: PackedKey,
    /// Never 0 in a row that was ever used. It changes when a flow ends.
    generation: u16,
    tcp_flags: u8,
    /// Packets that were looked up, counted up to `ESTABLISHED`.
    met: u8,
    /// The source's epoch when the flow began; 0: the row is vacant.
    pub(super) epoch: u32,
    pub(super) last_ns: u64,
    pub(super) part: Option<Part>,
    way: Way,
    frames: u64,
    bytes: u64,
    delivered: u64,
    delivered_bytes: u64,
    /// The residence of the previous packet.
    before_ns: u64,
    /// Sixteen times the jitter, as in RFC 3550, A.8.
    jitter16: u64,
    first_ns: u64,
    firsts: [u64; FIRSTS],
    pub(super) losses: Losses,
}

/// Where to note a residence.
pub(super) enum Note {
    /// Done.
    Kept,
    In(Part),
    /// The row has no more room: take a part, and move there what is in the row.
    Spill,
}

impl FlowState {
    pub(super) fn begin(&mut self, now_ns: u64, key: &PackedKey, epoch: u32, way: Way) {
        *self = Self {
            key: *key,
            generation: self.generation.max(1),
            met: 1,
            first_ns: now_ns,
            last_ns: now_ns,
            epoch,
            way,
            ..Self::default()
        };
    }

    /// Ends the flow. References to the row no longer match from now on.
    pub(super) fn end(&mut self) -> (Way, Option<Part>) {
        self.epoch = 0;
        self.generation = self.generation.wrapping_add(1).max(1);
        (self.way, self.part.take())
    }

    pub(super) fn reference(&self, place: usize) -> FlowRef {
        FlowRef(u32::from(self.generation) << 16 | place as u32)
    }

    #[inline]
    pub(super) fn is_named(&self, flow: FlowRef, epoch: u32) -> bool {
        u32::from(self.generation) == flow.0 >> 16 && self.epoch == epoch
    }

    #[inline]
    pub(super) fn is_of(&self, key: &PackedKey, epoch: u32) -> bool {
        self.epoch == epoch && self.key.same(key)
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.epoch == 0
    }

    pub(super) fn is_established(&self) -> bool {
        self.met >= ESTABLISHED
    }

    #[inline]
    pub(super) fn meet(&mut self, now_ns: u64) {
        self.last_ns = now_ns;
        self.met += u8::from(self.met < ESTABLISHED);
    }

    #[inline]
    pub(super) fn arrived(&mut self, now_ns: u64, bytes: u32, tcp_flags: u8) {
        self.last_ns = now_ns;
        self.frames += 1;
        self.bytes += u64::from(bytes);
        self.tcp_flags |= tcp_flags;
    }

    #[inline]
    pub(super) fn delivered(&mut self, bytes: u32, residence_ns: u64) -> Note {
        let nth = self.delivered;
        self.delivered += 1;
        self.delivered_bytes += u64::from(bytes);
        let clamped_ns = residence_ns.min(LONGEST_NS);
        if nth > 0 {
            let change_ns = clamped_ns.abs_diff(self.before_ns);
            self.jitter16 = self.jitter16 + change_ns - ((self.jitter16 + 8) >> 4);
        }
        self.before_ns = clamped_ns;
        match self.part {
            Some(part) => Note::In(part),
            None => match self.firsts.get_mut(nth as usize) {
                Some(first) => {
                    *first = residence_ns;
                    Note::Kept
                }
                None => Note::Spill,
            },
        }
    }

    /// Moves the residences in the row to the part, and adds one.
    pub(super) fn spill(&mut self, part: Part, residence_ns: u64, bins: &mut Bins) {
        for ns in self.firsts.into_iter().chain([residence_ns]) {
            // A fresh part has room for five packets in any bin.
            let _ = bins.record(part, Bin::of(ns));
        }
        self.part = Some(part);
    }

    /// The residences kept in the row.
    pub(super) fn firsts(&self) -> &[u64] {
        let kept = if self.part.is_some() { 0 } else { (self.delivered as usize).min(FIRSTS) };
        self.firsts.get(..kept).unwrap_or_default()
    }

    /// Allocates: cold.
    pub(super) fn latency(&self, bins: &Bins) -> Histogram<u32> {
        match self.part {
            Some(part) => to_histogram(bins.part(part).into_iter().enumerate()),
            None => {
                let mut all = histogram();
                self.firsts().iter().for_each(|first| all.saturating_record(*first));
                all
            }
        }
    }

    pub(super) fn counts(&self) -> FlowCounts {
        FlowCounts {
            frames: self.frames,
            bytes: self.bytes,
            delivered: self.delivered,
            delivered_bytes: self.delivered_bytes,
            first_ns: self.first_ns,
            last_ns: self.last_ns,
            tcp_flags: self.tcp_flags,
            jitter_ns: self.jitter16 >> 4,
            losses: self.losses,
        }
    }
}

#[cfg(test)]
mod tests;
