//! The table itself. Invariant: a row is in use, or vacant and in `free`, or left over from an epoch that was
//! forgotten. Rows of the last kind are found only by walking through the rows.

use super::bins::Bins;
use super::index::{Home, Index};
use super::row::{FlowState, Note};
use super::sources::{Claim, Sources};
use super::{FlowConfig, FlowKey, FlowRef, FlowRow, FlowSum, PackedKey};
use crate::latency::{BINS, Bin};
use crate::{PortId, Reason, broken, invariant};

/// How long without packets a flow of at most two packets has ended.
const EMBRYO_NS: u64 = 2_000_000_000;
/// Rows that a new flow examines when none is free.
const LOOKED_AT: usize = 2;
/// Histograms that one call of `age` adds up: a microsecond each.
const POURED: usize = 4;
/// One new flow in this many may take the row of a flow that is not established.
const LUCKY: u64 = 64;
/// 8 KiB: the hints stay in the first-level cache, and a thousand flows seldom collide.
const HINTS: usize = 1 << 12;
const HINT_SHIFT: u32 = u32::BITS - HINTS.ilog2();
const GOLDEN: u32 = 0x9e37_79b9;
/// Rows that one call of `copy_rows` skips.
const PASSED: usize = 4096;

// The memory of ten thousand flows with their histograms. Each source adds a kilobyte, and as much again for
// each power of two that its times span.
const _: () = assert!(10_000 * FlowTable::BYTES_PER_FLOW < 128 << 20);

/// The flow table; see the module.
pub struct FlowTable {
    config: FlowConfig,
    index: Index,
    /// Grows up to the capacity, which is reserved from the beginning.
    rows: Vec<FlowState>,
    /// Places of vacated rows.
    free: Vec<u16>,
    bins: Bins,
    sources: Sources,
    /// Indexed by the packets' own hash: the row where a flow of that hash was last found.
    hints: Box<[u16; HINTS]>,
    /// The place where the next walk continues.
    hand: usize,
    /// Advances with every new flow that finds no free row.
    dice: u64,
}

impl FlowTable {
    /// The memory that a flow takes at most: its row, its histogram, its part of the index. The histogram's
    /// part is touched only by flows of more than four delivered packets.
    pub const BYTES_PER_FLOW: usize = size_of::<FlowState>()
        + BINS * size_of::<u32>()
        + Index::BYTES_PER_ROW
        + 2 * size_of::<u16>();

    /// Allocates everything that it will ever need, except what [`add_port`](Self::add_port) adds.
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

    /// The number of flows that have a row.
    pub fn len(&self) -> usize {
        self.sources.held()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts packets of this source from now on. If another source had the slot before, its counts are
    /// forgotten. For a source that was not added nothing is counted.
    pub fn add_port(&mut self, ingress: PortId) {
        if self.config.capacity > 0 {
            self.sources.add(ingress);
        }
    }

    /// Returns the row of a flow, and creates it if there is room. All packets of a flow must have the same
    /// `hash`; different flows may share one.
    #[inline]
    pub fn find(&mut self, now_ns: u64, hash: u32, key: &PackedKey) -> FlowRef {
        let epoch = self.sources.epoch(key.ingress());
        if epoch == 0 {
            return FlowRef(0);
        }
        // The hint spares the look-up in the index. Guests can predict the packets' hash, but gain nothing: a
        // hint that names another flow's row is as good as none.
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

    /// Counts a packet that was received in its flow's row, or in a sum.
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
        // The reference comes straight from `find`, so it needs no check.
        if flow.0 != 0 {
            if let Some(row) = self.rows.get_mut(flow.0 as usize & 0xffff) {
                row.arrived(now_ns, bytes, tcp_flags);
            }
        } else if let Some(sum) = self.sources.sum(PortId(key.ingress()), flow) {
            sum.arrived(now_ns, bytes, tcp_flags);
        }
        flow
    }

    /// Counts a packet that was delivered `residence_ns` after the program saw it; `bin` is the bin of that time.
    #[inline]
    pub fn delivered(
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
                    if !self.bins.record(part, bin) {
                        self.overflow(ingress, flow, residence_ns);
                    }
                }
                Note::Spill => self.spill(flow, residence_ns),
            }
        } else if let Some(sum) = self.sources.sum(ingress, flow) {
            sum.delivered(bytes, residence_ns);
        }
    }

    #[cold]
    pub fn lost(&mut self, ingress: PortId, flow: FlowRef, reason: Reason) {
        if let Some(row) = self.named(ingress, flow) {
            row.losses.add(reason, 1);
        } else if let Some(sum) = self.sources.sum(ingress, flow) {
            sum.counts.losses.add(reason, 1);
        }
    }

    /// Ends flows that have long been idle. Examines at most `most` rows, and stops earlier when [`POURED`]
    /// histograms were added up.
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

    /// Copies rows from place `from` on, until `rows` is full or [`PASSED`] rows were read. Returns where to
    /// continue, or `None` at the end.
    pub fn copy_rows(&self, from: u32, latency: bool, rows: &mut Vec<FlowRow>) -> Option<u32> {
        let from = from as usize;
        for (place, row) in self.rows.iter().enumerate().skip(from) {
            if rows.len() == rows.capacity() || place - from == PASSED {
                return Some(place as u32);
            }
            if self.sources.is_in_use(row) {
                rows.push(FlowRow {
                    place: place as u32,
                    key: FlowKey::from(&row.key),
                    counts: row.counts(),
                    latency: latency.then(|| row.latency(&self.bins)),
                });
            }
        }
        None
    }

    /// The sums of flows without a row, for every source that ever existed.
    pub fn sums(&self) -> Vec<FlowSum> {
        self.sources.sums()
    }

    /// Forgets everything at once; memory is cleared as it is used again. Packets that are still on their way
    /// count as ended.
    pub fn forget(&mut self) {
        self.sources.forget_all();
    }

    #[inline]
    fn named(&mut self, ingress: PortId, flow: FlowRef) -> Option<&mut FlowState> {
        let epoch = self.sources.epoch(ingress.0);
        let row = self.rows.get_mut(flow.0 as usize & 0xffff)?;
        row.is_named(flow, epoch).then_some(row)
    }

    /// Gives a flow a row, if one is free or can be freed by examining a few.
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

    /// Ends the flow of one of these rows, if it has ended by time or the new flow may take its row.
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
                let above = self.sources.is_above(row.key.ingress(), claim);
                let equal = above || row.key.ingress() == claim.ingress;
                above && claim.below || equal && lucky && !row.is_established()
            });
            may_have.min_by_key(|(_, row)| (row.is_established(), row.last_ns))
        })?;
        self.end(place);
        Some(())
    }

    /// Whether a row can be given away. A vacant row is in `free` and cannot be given away twice.
    fn has_ended(&self, now_ns: u64, row: &FlowState) -> bool {
        let idle_ns = self.config.idle_ns;
        let limit_ns = if row.is_established() { idle_ns } else { idle_ns.min(EMBRYO_NS) };
        let idle = now_ns.saturating_sub(row.last_ns) >= limit_ns;
        !row.is_vacant() && (idle || !self.sources.is_in_use(row))
    }

    /// Vacates a row. Its counts are added to its source's sum, unless they were forgotten. Returns whether
    /// there was a histogram to add up or to clear.
    fn end(&mut self, place: usize) -> bool {
        let Some(row) = self.rows.get_mut(place) else {
            broken!("a row that is not there ends");
            return false;
        };
        let mut sum = None;
        if self.sources.is_in_use(row) {
            sum = self.sources.ended(row.key.ingress());
        }
        if let Some(sum) = &mut sum {
            sum.add(row);
        }
        let (way, part) = row.end();
        self.index.clear(way);
        self.free.push(place as u16);
        if let Some(part) = part {
            self.bins.give(part, sum.map(|sum| &mut sum.bins));
        }
        part.is_some()
    }

    /// Moves a row's residences to a part of the bins when the row has no more room for them.
    #[cold]
    fn spill(&mut self, flow: FlowRef, residence_ns: u64) {
        let part = self.bins.take();
        let place = flow.0 as usize & 0xffff;
        let (Some(part), Some(row)) = (part, self.rows.get_mut(place)) else {
            return broken!("there are fewer parts of the bins than rows");
        };
        row.spill(part, residence_ns, &mut self.bins);
    }

    /// A bin is full, at about four billion packets: the flow's histogram is moved to its source's, so that
    /// their sum stays exact.
    #[cold]
    fn overflow(&mut self, ingress: PortId, flow: FlowRef, residence_ns: u64) {
        let part = self.named(ingress, flow).and_then(|row| row.part);
        if let (Some(part), Some(sum)) = (part, self.sources.sum(ingress, flow)) {
            self.bins.pour(part, &mut sum.bins);
            sum.count(residence_ns);
        }
    }

    /// The next place to examine; the places take turns.
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
