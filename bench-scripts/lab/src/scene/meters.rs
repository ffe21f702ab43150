//! Readings at the ends of windows: arrivals by sender, processor time, releases of weir's containers,
//! segments that TCP resent, and [`events`] of the forwarder.
//!
//! Invariant: reading does not disturb the measurement. Arrivals are counted by a program in the kernel,
//! with their lengths on the wire; no receiver has to run.

mod cpu;
pub(crate) mod events;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use anyhow::{Context, Result};
use system_tests::observer::{Count, Watch};
use weir_api::Containers;

pub(crate) use self::cpu::Cpu;
use super::cast::{Cast, Counting};
use crate::spec::Kind;
use crate::stage::Stage;

/// Counts a cast's arrivals at the receivers' interfaces.
#[derive(Debug)]
pub(crate) struct Rates<'a> {
    cast: &'a Cast,
    /// In the order of the cast's countings.
    watches: Vec<Watch>,
}

/// All arrivals so far.
#[derive(Clone, Debug)]
pub(crate) struct Tallied {
    pub(crate) at: Instant,
    /// In the order of the cast's sources.
    pub(crate) counts: Vec<Count>,
}

impl<'a> Rates<'a> {
    pub(crate) fn start(stage: &Stage, cast: &'a Cast) -> Result<Self> {
        let (by, spends_ns) = (stage.tells_apart_by(), stage.scene.receiver_ns);
        let watch = |counting: &Counting| {
            let Counting { place: (ns, interface), timed, keep, at } = counting;
            let ns = &stage.guest_of(ns)?.ns;
            Watch::start_by(by, ns, interface, *timed, *keep, *at, spends_ns)
        };
        Ok(Self { cast, watches: cast.countings.iter().map(watch).collect::<Result<_>>()? })
    }

    /// The delays of the timed traffic's datagrams with these numbers.
    pub(crate) fn delays_ns(&self, numbers: Range<u32>) -> Result<Vec<u64>> {
        let mut both = self.cast.countings.iter().zip(&self.watches);
        let timed = both.find(|(counting, _)| counting.timed.is_some());
        timed.context("nothing is timed here")?.1.delays_ns(numbers)
    }

    pub(crate) fn read(&self) -> Result<Tallied> {
        let before = Instant::now();
        let sources = self.cast.sources.iter();
        let counts = sources.map(|source| self.watches[source.counting].of(source.number));
        let counts = counts.collect::<Result<_>>()?;
        // Reading takes a moment: its middle counts as the time of all of them.
        Ok(Tallied { at: before + before.elapsed() / 2, counts })
    }
}

/// Containers by release reason, since weir began; empty if the peer is not weir.
pub(crate) fn releases(stage: &Stage) -> Result<BTreeMap<String, u64>> {
    let Some(weir) = &stage.weir else { return Ok(BTreeMap::new()) };
    Ok(sum(weir.stats()?.ports.iter().map(|port| &port.containers)))
}

/// The sum over all ports; a reason that never occurred is absent.
fn sum<'c>(ports: impl IntoIterator<Item = &'c Containers>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (reason, count) in ports.into_iter().flat_map(|port| &port.released) {
        *sums.entry(reason.clone()).or_default() += count;
    }
    sums
}

/// TCP segments that the kernels of all VMs and of the uplink host have sent again so far; `None`
/// without TCP.
pub(crate) fn resent(stage: &Stage) -> Result<Option<u64>> {
    if !stage.scene.traffic.iter().any(|traffic| traffic.kind == Kind::Tcp) {
        return Ok(None);
    }
    let all = stage.bed.guests.iter().chain([&stage.bed.uplink]);
    all.map(|guest| guest.ns.protocol("Tcp", "RetransSegs")).sum::<Result<u64>>().map(Some)
}

#[cfg(test)]
mod tests;
