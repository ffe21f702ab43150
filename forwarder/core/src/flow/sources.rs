//! What each source has in the table, and its sums for flows that have no row.
//!
//! Invariant: a row is in use exactly if its epoch equals its source's epoch; `held` is the number of those
//! rows. A source's rows are therefore forgotten by starting a new epoch.

use super::row::FlowState;
use super::{FlowCounts, FlowRef, FlowSum};
use crate::latency::{Bin, Counts};
use crate::{MAX_PORTS, PortId};

#[derive(Default)]
struct SourceState {
    /// 0: there is no such source.
    epoch: u32,
    /// The number of rows in use.
    held: u32,
    sums: Option<Box<Sums>>,
}

#[derive(Default)]
struct Sums {
    other: Sum,
    ended: Sum,
    ended_flows: u64,
}

#[derive(Default)]
pub(super) struct Sum {
    pub(super) counts: FlowCounts,
    pub(super) bins: Counts,
}

pub(super) struct Sources {
    all: Box<[SourceState]>,
    /// The number of sources that have any rows.
    active: u32,
}

impl Sources {
    pub(super) fn new() -> Self {
        Self { all: (0..MAX_PORTS).map(|_| SourceState::default()).collect(), active: 0 }
    }

    /// Adds a source, or replaces one in the same slot. Allocates: cold.
    pub(super) fn add(&mut self, ingress: PortId) {
        self.forget(ingress);
        if let Some(source) = self.all.get_mut(ingress.index()) {
            source.epoch = source.epoch.max(1);
            source.sums.get_or_insert_default();
        }
    }

    pub(super) fn forget_all(&mut self) {
        (0..self.all.len()).for_each(|at| self.forget(PortId(at as u16)));
    }

    fn forget(&mut self, ingress: PortId) {
        let Some(source) = self.all.get_mut(ingress.index()).filter(|source| source.epoch != 0)
        else {
            return;
        };
        source.epoch = source.epoch.wrapping_add(1).max(1);
        self.active -= u32::from(source.held > 0);
        source.held = 0;
        if let Some(sums) = &mut source.sums {
            **sums = Sums::default();
        }
    }

    /// Returns 0 if there is no such source: no row in use has that epoch.
    #[inline]
    pub(super) fn epoch(&self, ingress: u16) -> u32 {
        self.all.get(usize::from(ingress)).map_or(0, |source| source.epoch)
    }

    pub(super) fn is_in_use(&self, row: &FlowState) -> bool {
        !row.is_vacant() && row.epoch == self.epoch(row.key.ingress())
    }

    /// Rows in use, over all sources. Cold.
    pub(super) fn held(&self) -> usize {
        self.all.iter().map(|source| source.held as usize).sum()
    }

    pub(super) fn began(&mut self, ingress: u16) {
        if let Some(source) = self.all.get_mut(usize::from(ingress)) {
            self.active += u32::from(source.held == 0);
            source.held += 1;
        }
    }

    /// A row that was in use no longer is. Returns the sum to which it is to be added.
    pub(super) fn ended(&mut self, ingress: u16) -> Option<&mut Sum> {
        let source = self.all.get_mut(usize::from(ingress))?;
        source.held -= 1;
        self.active -= u32::from(source.held == 0);
        let sums = source.sums.as_deref_mut()?;
        sums.ended_flows += 1;
        Some(&mut sums.ended)
    }

    /// The sum for a packet whose flow has no row, or no longer has one.
    #[inline]
    pub(super) fn sum(&mut self, ingress: PortId, flow: FlowRef) -> Option<&mut Sum> {
        let sums = self.all.get_mut(ingress.index())?.sums.as_deref_mut()?;
        Some(if flow == FlowRef(0) { &mut sums.other } else { &mut sums.ended })
    }

    /// What a new flow of a source may take.
    pub(super) fn claim(&self, ingress: u16, rows: u32) -> Claim {
        let held = self.held_by(ingress);
        let share = rows / (self.active + u32::from(held == 0)).max(1);
        Claim { ingress, share, below: held < share }
    }

    /// Whether a source has more than its share of the rows.
    pub(super) fn is_above(&self, ingress: u16, claim: &Claim) -> bool {
        self.held_by(ingress) > claim.share
    }

    fn held_by(&self, ingress: u16) -> u32 {
        self.all.get(usize::from(ingress)).map_or(0, |source| source.held)
    }

    pub(super) fn sums(&self) -> Vec<FlowSum> {
        let known = self.all.iter().enumerate();
        known
            .filter_map(|(at, source)| {
                let sums = source.sums.as_deref()?;
                Some(FlowSum {
                    ingress: PortId(at as u16),
                    other: sums.other.copy(),
                    ended: sums.ended.copy(),
                    ended_flows: sums.ended_flows,
                    known: source.held,
                })
            })
            .collect()
    }
}

pub(super) struct Claim {
    pub(super) ingress: u16,
    /// An equal part of the rows for every source that has some or wants one.
    share: u32,
    /// The source has less than its share.
    pub(super) below: bool,
}

impl Sum {
    #[inline]
    pub(super) fn arrived(&mut self, now_ns: u64, bytes: u32, tcp_flags: u8) {
        self.counts.frames += 1;
        self.counts.bytes += u64::from(bytes);
        self.counts.tcp_flags |= tcp_flags;
        self.counts.saw(now_ns);
    }

    #[inline]
    pub(super) fn delivered(&mut self, bytes: u32, residence_ns: u64) {
        self.counts.delivered += 1;
        self.counts.delivered_bytes += u64::from(bytes);
        self.count(residence_ns);
    }

    /// Adds everything of a flow except what is in bins.
    pub(super) fn add(&mut self, row: &FlowState) {
        self.counts.merge(&FlowCounts { jitter_ns: 0, ..row.counts() });
        row.firsts().iter().for_each(|first| self.count(*first));
    }

    #[inline]
    pub(super) fn count(&mut self, residence_ns: u64) {
        self.bins.add(Bin::of(residence_ns), 1);
    }

    fn copy(&self) -> (FlowCounts, hdrhistogram::Histogram<u64>) {
        (self.counts, self.bins.to_histogram())
    }
}
