//! The table itself. Invariant: a row is in use, vacant and in `free`, or left over from an epoch
//! that was forgotten; only the last kind is found by a walk alone.

use super::bins::Bins;
use super::index::{Home, Index};
use super::row::{FlowState, Note};
use super::sources::{Claim, Sources, Sum};
use super::{FlowConfig, FlowKey, FlowLatency, FlowRef, FlowRow, FlowSum, PackedKey};
use crate::latency::Bin;
use crate::latency::shape::{BINS, bin_of};
use crate::{PortId, Reason, broken, invariant};

/// A flow that had no more than two packets has ended after so long.
const EMBRYO_NS: u64 = 2_000_000_000;
/// Rows that a new flow looks at when none is free.
const LOOKED_AT: usize = 2;
/// Histograms that are added up in one call of `age`: a microsecond each.
const POURED: usize = 4;
/// One newcomer in so many may have the row of a flow that is as new.
const LUCKY: u64 = 64;
/// 8 KiB: they stay in the first cache, and a thousand flows seldom meet.
const HINTS: usize = 1 << 12;
const HINT_SHIFT: u32 = u32::BITS - HINTS.ilog2();
const GOLDEN: u32 = 0x9e37_79b9;
/// Rows that one call of `copy_rows` passes over.
const PASSED: usize = 4096;

// What ten thousand flows with their histograms take, to which each source adds a kilobyte, and as
// much for each doubling of its times.
const _: () = assert!(10_000 * FlowTable::BYTES_PER_FLOW < 128 << 20);

/// See the module above.
pub struct FlowTable {
    config: FlowConfig,
    index: Index,
    /// Grows up to the capacity, for which there is room from the beginning.
    rows: Vec<FlowState>,
    /// Places of rows that were vacated.
    free: Vec<u16>,
    bins: Bins,
    sources: Sources,
    /// By the packets' own hash: where a flow of that hash was found last.
    hints: Box<[u16; HINTS]>,
    /// Where the walk goes on.
    hand: usize,
    /// Goes on with every newcomer that finds no free row.
    dice: u64,
}

impl FlowTable {
    /// What a flow costs at most: its row, its histogram, its part of the index. The histogram's
    /// part is touched only by flows of more than four delivered packets.
    pub const BYTES_PER_FLOW: usize = size_of::<FlowState>()
        + BINS * size_of::<u32>()
        + Index::BYTES_PER_ROW
        + 2 * size_of::<u16>();

    /// Allocates everything that it will ever need, but for what [`add_port`](Self::add_port) does.
    #[must_use]
    pub fn new(config: FlowConfig) -> Self {
        let config = FlowConfig { capacity: config.capacity.min(FlowConfig::MOST), ..config };
        let capacity = config.capacity as usize;
        Self {
            config,
            index: Index::new(capacity, config.seed),
            rows: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
            bins: Bins::new(capacity),
            sources: Sources::new(),
            hints: Box::new([0; HINTS]),
            hand: 0,
            dice: config.seed,
        }
    }

    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.config.capacity
    }

    /// Flows that have a row.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.held()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets of this source are counted from now on. If there was another one in its place, what
    /// was counted of that is forgotten. Of a source that was not added, nothing is counted.
    pub fn add_port(&mut self, ingress: PortId) {
        if self.config.capacity > 0 {
            self.sources.add(ingress);
        }
    }

    /// The row of a flow, made if there is room; `hash` is the same for all its packets, and need
    /// not tell flows apart.
    #[inline]
    pub fn find(&mut self, now_ns: u64, hash: u32, key: &PackedKey) -> FlowRef {
        let epoch = self.sources.epoch(key.ingress());
        if epoch == 0 {
            return FlowRef(0);
        }
        // Spares the index. Guests can work out the packets' hash; all that they come to by it is
        // that this place is another's, as if there were no hints.
        let hint = self.hints.get_mut((hash.wrapping_mul(GOLDEN) >> HINT_SHIFT) as usize);
        let mut none = 0;
        let hint = hint.unwrap_or(&mut none);
        let hinted = usize::from(*hint);
        if let Some(row) = self.rows.get_mut(hinted)
            && row.is_of(key, epoch)
        {
            row.meet(now_ns);
            return row.reference(hinted);
        }
        let home = self.index.home(key);
        for place in self.index.candidates(home) {
            if let Some(row) = self.rows.get_mut(place)
                && row.is_of(key, epoch)
            {
                row.meet(now_ns);
                *hint = place as u16;
                return row.reference(place);
            }
        }
        self.enter(now_ns, home, key, epoch).unwrap_or_default()
    }

    /// A packet came in: finds its row and counts it there, or in a sum.
    #[inline]
    pub fn arrived(
        &mut self,
        now_ns: u64,
        hash: u32,
        key: &PackedKey,
        bytes: u32,
        tcp_flags: u8,
    ) -> FlowRef {
        let flow = self.find(now_ns, hash, key);
        // What `find` gave is the row itself: nothing has to be asked again.
        if flow.0 != 0 {
            if let Some(row) = self.rows.get_mut(flow.0 as usize & 0xffff) {
                row.arrived(now_ns, bytes, tcp_flags);
            }
        } else if let Some(sum) = self.sources.sum(PortId(key.ingress()), flow) {
            sum.arrived(now_ns, bytes, tcp_flags);
        }
        flow
    }

    /// A packet was delivered, `residence_ns` after the program saw it.
    pub fn delivered(&mut self, ingress: PortId, flow: FlowRef, bytes: u32, residence_ns: u64) {
        self.delivered_in(ingress, flow, bytes, residence_ns, Bin::of(residence_ns));
    }

    /// The same where its bin is known.
    #[inline]
    pub fn delivered_in(
        &mut self,
        ingress: PortId,
        flow: FlowRef,
        bytes: u32,
        residence_ns: u64,
        bin: Bin,
    ) {
        if let Some(row) = self.named(ingress, flow) {
            match row.delivered(bytes, residence_ns) {
                Note::Kept => {}
                Note::In(part) => {
                    if !self.bins.record(part, bin.0) {
                        self.overflow(ingress, flow, residence_ns);
                    }
                }
                Note::Spill => self.spill(ingress, flow, residence_ns),
            }
        } else if let Some(sum) = self.sources.sum(ingress, flow) {
            sum.delivered(bytes, residence_ns);
        }
    }

    #[cold]
    pub fn lost(&mut self, ingress: PortId, flow: FlowRef, reason: Reason) {
        if let Some(row) = self.named(ingress, flow) {
            row.lost(reason);
        } else if let Some(sum) = self.sources.sum(ingress, flow) {
            sum.lost(reason);
        }
    }

    /// Ends flows that have been idle for long: looks at `most` rows, or fewer where there is much
    /// to add up.
    pub fn age(&mut self, now_ns: u64, most: usize) {
        let mut poured = 0;
        for _ in 0..most.min(self.rows.len()) {
            let place = self.turn_hand();
            if self.rows.get(place).is_some_and(|row| self.has_ended(now_ns, row)) {
                poured += usize::from(self.end(place));
            }
            if poured == POURED {
                break;
            }
        }
    }

    /// Copies out rows from place `from` on, until `rows` has no room left or much was passed over;
    /// where to go on, `None` at the end.
    pub fn copy_rows(&self, from: u32, latency: bool, rows: &mut Vec<FlowRow>) -> Option<u32> {
        let from = from as usize;
        for (place, row) in self.rows.iter().enumerate().skip(from) {
            if rows.len() == rows.capacity() || place - from == PASSED {
                return Some(place as u32);
            }
            if self.sources.is_in_use(row) {
                rows.push(FlowRow {
                    key: FlowKey::from(row.key()),
                    counts: row.counts(),
                    latency: latency.then(|| FlowLatency(row.latency(&self.bins))),
                });
            }
        }
        None
    }

    /// What has no row, by source; all sources that there ever were.
    #[must_use]
    pub fn sums(&self) -> Vec<FlowSum> {
        self.sources.sums()
    }

    /// Forgets everything, at once; memory is cleared as it is used again. What packets that are
    /// still on their way come to is counted as ended.
    pub fn forget(&mut self) {
        self.sources.forget_all();
    }

    #[inline]
    fn named(&mut self, ingress: PortId, flow: FlowRef) -> Option<&mut FlowState> {
        let epoch = self.sources.epoch(ingress.0);
        let row = self.rows.get_mut(flow.0 as usize & 0xffff)?;
        row.is_named(flow, epoch).then_some(row)
    }

    /// Gives a flow a row, if one is free or can be freed by looking at few.
    #[inline(never)]
    fn enter(&mut self, now_ns: u64, home: Home, key: &PackedKey, epoch: u32) -> Option<FlowRef> {
        let claim = self.sources.claim(key.ingress(), self.config.capacity);
        let way = match self.index.vacant(home) {
            Some(way) => way,
            None => {
                let neighbours = self.index.neighbours(home);
                self.end_one(now_ns, &claim, neighbours.into_iter().flatten())?;
                let freed = self.index.vacant(home);
                invariant!(freed.is_some(), "a row has ended and its way is still taken");
                freed?
            }
        };
        if self.free.is_empty() {
            if self.rows.len() < self.config.capacity as usize {
                self.free.push(self.rows.len() as u16);
                self.rows.push(FlowState::default());
            } else {
                let looked_at: [usize; LOOKED_AT] = std::array::from_fn(|_| self.turn_hand());
                self.end_one(now_ns, &claim, looked_at.into_iter())?;
            }
        }
        let place = self.free.pop()?;
        let row = self.rows.get_mut(usize::from(place))?;
        row.begin(now_ns, key, epoch, way);
        self.index.put(way, home, place);
        self.sources.began(key.ingress());
        Some(row.reference(usize::from(place)))
    }

    /// Ends the flow of one of these rows, if one is over or the newcomer may have it.
    fn end_one(
        &mut self,
        now_ns: u64,
        claim: &Claim,
        places: impl Iterator<Item = usize> + Clone,
    ) -> Option<()> {
        self.dice =
            self.dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let lucky = (self.dice >> 32).is_multiple_of(LUCKY);
        let mut rows = places.filter_map(|place| Some((place, self.rows.get(place)?)));
        let over = rows.clone().find(|(_, row)| self.has_ended(now_ns, row));
        let (place, _) = over.or_else(|| {
            let may_have = rows.by_ref().filter(|(_, row)| {
                let above = self.sources.is_above(row.key().ingress(), claim);
                let equal = above || row.key().ingress() == claim.ingress;
                above && claim.below || equal && lucky && !row.is_established()
            });
            may_have.min_by_key(|(_, row)| (row.is_established(), row.last_ns()))
        })?;
        self.end(place);
        Some(())
    }

    /// Whether a row can be given away. A vacant one is in `free` and cannot be given twice.
    fn has_ended(&self, now_ns: u64, row: &FlowState) -> bool {
        let idle_ns = self.config.idle_ns;
        let limit_ns = if row.is_established() { idle_ns } else { idle_ns.min(EMBRYO_NS) };
        let idle = now_ns.saturating_sub(row.last_ns()) >= limit_ns;
        !row.is_vacant() && (idle || !self.sources.is_in_use(row))
    }

    /// Vacates a row. What was counted there goes to its source's sum, unless it is forgotten.
    /// Says whether there was a histogram to add up or to clear.
    fn end(&mut self, place: usize) -> bool {
        let Some(row) = self.rows.get_mut(place) else {
            broken!("a row that is not there ends");
            return false;
        };
        let mut sum = None;
        if self.sources.is_in_use(row) {
            sum = self.sources.ended(row.key().ingress());
        }
        if let Some(sum) = &mut sum {
            sum.add(row);
        }
        let (way, part) = row.end();
        self.index.clear(way);
        self.free.push(place as u16);
        if let Some(part) = part {
            self.bins.give(part, sum.map(Sum::bins_mut));
        }
        part.is_some()
    }

    /// The row has no more room for residences.
    #[cold]
    fn spill(&mut self, ingress: PortId, flow: FlowRef, residence_ns: u64) {
        let part = self.bins.take();
        let place = flow.0 as usize & 0xffff;
        let (Some(part), Some(row)) = (part, self.rows.get_mut(place)) else {
            return broken!("there are fewer parts of the bins than rows");
        };
        row.spill(part, &mut self.bins);
        if !self.bins.record(part, bin_of(residence_ns)) {
            self.overflow(ingress, flow, residence_ns);
        }
    }

    /// A bin has counted as far as it can, four thousand million packets: what the flow's histogram
    /// holds goes to its source's, so that their sum stays exact.
    #[cold]
    fn overflow(&mut self, ingress: PortId, flow: FlowRef, residence_ns: u64) {
        let part = self.named(ingress, flow).and_then(|row| row.part());
        if let (Some(part), Some(sum)) = (part, self.sources.ended_sum(ingress.0)) {
            self.bins.pour(part, sum.bins_mut());
            sum.count(residence_ns);
        }
    }

    /// The place to look at next; all in turn.
    fn turn_hand(&mut self) -> usize {
        let place = self.hand;
        self.hand = if place + 1 < self.rows.len() { place + 1 } else { 0 };
        place
    }
}

impl std::fmt::Debug for FlowTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowTable")
            .field("config", &self.config)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
