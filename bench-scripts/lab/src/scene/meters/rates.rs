//! Arrivals by sender, at the receivers' interfaces. Invariant: a program in the kernel counts them,
//! with their lengths on the wire; no receiver has to run.

use std::time::Instant;

use anyhow::{Context, Result};
use system_tests::observer::{Count, Watch};

use crate::scene::cast::{Cast, Counting};
use crate::stage::Stage;

#[derive(Debug)]
pub(crate) struct Rates {
    watches: Vec<Watch>,
    /// The index of the counting that times a source.
    timed: Option<usize>,
    /// For each source of the cast: the tally, and the number in it.
    sources: Vec<(usize, u8)>,
}

/// Everything so far.
#[derive(Clone, Debug)]
pub(crate) struct Tallied {
    pub(crate) at: Instant,
    /// In the order of the cast's sources.
    pub(crate) counts: Vec<Count>,
}

impl Rates {
    pub(crate) fn start(stage: &Stage, cast: &Cast) -> Result<Self> {
        let by = stage.tells_apart_by();
        let watch = |counting: &Counting| {
            let Counting { place: (ns, interface), timed, keep, at } = counting;
            let ns = &stage.guest_of(ns)?.ns;
            Watch::start_by(by, ns, interface, *timed, *keep, *at, stage.scene().receiver_ns)
        };
        Ok(Self {
            watches: cast.countings.iter().map(watch).collect::<Result<_>>()?,
            timed: cast.countings.iter().position(|counting| counting.timed.is_some()),
            sources: cast.sources.iter().map(|source| (source.counting, source.number)).collect(),
        })
    }

    /// The delays of the timed traffic's datagrams with these numbers.
    pub(crate) fn delays_ns(&self, numbers: std::ops::Range<u32>) -> Result<Vec<u64>> {
        let watch = self.timed.and_then(|at| self.watches.get(at));
        watch.context("nothing is timed here")?.delays_ns(numbers)
    }

    pub(crate) fn read(&self) -> Result<Tallied> {
        let before = Instant::now();
        let count = |(watch, number): &(usize, u8)| {
            self.watches.get(*watch).context("no such watch")?.of(*number)
        };
        let counts = self.sources.iter().map(count).collect::<Result<_>>()?;
        // Reading takes a moment: its middle counts as the time of all of them.
        Ok(Tallied { at: before + before.elapsed() / 2, counts })
    }
}

/// The difference of two counts.
#[must_use]
pub(crate) fn since(now: &Count, earlier: &Count) -> Count {
    Count {
        frames: now.frames.saturating_sub(earlier.frames),
        bytes: now.bytes.saturating_sub(earlier.bytes),
        segments: now.segments.saturating_sub(earlier.segments),
    }
}
