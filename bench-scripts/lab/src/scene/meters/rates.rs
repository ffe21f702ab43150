//! What came from whom, at the receivers' interfaces. Invariant: counted by a program in the kernel,
//! as long on the wire as it was; no receiver has to run to be measured.

use std::time::Instant;

use anyhow::{Context, Result};
use system_tests::observer::{Count, Watch};

use crate::scene::cast::Cast;
use crate::stage::Stage;

#[derive(Debug)]
pub(crate) struct Rates {
    watches: Vec<Watch>,
    /// Where something is timed.
    timed: Option<usize>,
    /// Whose numbers are read where: as the cast's sources.
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
    pub(crate) fn start(stage: &Stage, cast: &Cast<'_>) -> Result<Self> {
        let by = stage.tells_apart_by();
        let watch = |counting: &crate::scene::cast::Counting| {
            let (ns, interface) = (cast.ns(&counting.place), &counting.place.1);
            let ns = ns.with_context(|| format!("no namespace {}", counting.place.0))?;
            Watch::start_by(by, ns, interface, counting.timed, counting.keep, counting.at)
        };
        Ok(Self {
            watches: cast.countings.iter().map(watch).collect::<Result<_>>()?,
            timed: cast.countings.iter().position(|counting| counting.timed.is_some()),
            sources: cast.sources.iter().map(|source| (source.counting, source.number)).collect(),
        })
    }

    /// How long the timed traffic's datagrams with these numbers took.
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
        // Reading takes a moment: its middle is the time of all of them.
        Ok(Tallied { at: before + before.elapsed() / 2, counts })
    }
}

/// What came since.
#[must_use]
pub(crate) fn since(now: &Count, earlier: &Count) -> Count {
    Count {
        frames: now.frames.saturating_sub(earlier.frames),
        bytes: now.bytes.saturating_sub(earlier.bytes),
        segments: now.segments.saturating_sub(earlier.segments),
    }
}
