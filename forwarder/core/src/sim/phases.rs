//! What each source got of a link between two changes of settings, compared with its promise. Invariant:
//! phases follow each other without a gap, and every byte that arrived while the sources sent is in one of
//! them.
//!
//! The promise is that of the water-filling oracle, with what each source offered in the phase as its demand.
//! This is exact for steady sources; a source that starts and stops within a phase is judged as if it had
//! sent evenly. A maximum rate applies over all links together, but each link is judged separately here: for
//! a source that sends to several, the sum is what counts.

use std::collections::BTreeMap;

use super::world::World;
use crate::sched::oracle::{self, Demand};
use crate::{Policy, PortId, PortSettings, Rate};

/// One source's part of a link during a phase.
#[derive(Clone, Debug)]
pub struct LinkShare {
    pub from: usize,
    pub to: usize,
    pub settings: PortSettings,
    pub offered_bps: u64,
    pub got_bps: u64,
    /// What the oracle gives the source.
    pub due_bps: u64,
    pub link: Rate,
}

/// The time between two changes of settings.
#[derive(Clone, Debug)]
pub struct Phase {
    pub from_ns: u64,
    pub to_ns: u64,
    pub policy: Policy,
    /// The shares of the links that have a rate.
    pub shares: Vec<LinkShare>,
}

impl Phase {
    pub fn share(&self, from: usize, to: usize) -> Option<&LinkShare> {
        self.shares.iter().find(|share| (share.from, share.to) == (from, to))
    }
}

impl World<'_> {
    /// Ends a phase, unless it has just begun.
    pub(super) fn end_phase(&mut self, now: u64) {
        let from_ns = self.report.phases.last().map_or(0, |phase| phase.to_ns);
        let length_ns = now - from_ns;
        if length_ns == 0 {
            return;
        }
        let bps = |bytes: u64| (u128::from(bytes) * 8_000_000_000 / u128::from(length_ns)) as u64;
        let of_port = |port: usize| self.engine.settings(PortId(port as u16));
        let mut links: BTreeMap<usize, Vec<LinkShare>> = BTreeMap::new();
        for (&(from, to), row) in &self.report.rows {
            let link = of_port(to).and_then(|to| to.link_rate);
            let (Some(settings), Some(link)) = (of_port(from).copied(), link) else { continue };
            let before = self.before.get(&(from, to)).cloned().unwrap_or_default();
            links.entry(to).or_default().push(LinkShare {
                from,
                to,
                settings,
                offered_bps: bps(row.generated_bytes - before.generated_bytes),
                got_bps: bps(row.bytes_in_span - before.bytes_in_span),
                due_bps: 0,
                link,
            });
        }
        let mut shares = Vec::new();
        for of_link in links.into_values() {
            let demands: Vec<Demand> = of_link.iter().map(demand).collect();
            let link = of_link.first().map_or(Rate::new(0), |share| share.link);
            let due = oracle::shares(link, &demands);
            let paired = of_link.into_iter().zip(due);
            shares.extend(paired.map(|(share, due)| LinkShare { due_bps: due as u64, ..share }));
        }
        let policy = self.engine.scheduler_settings().policy;
        self.report.phases.push(Phase { from_ns, to_ns: now, policy, shares });
        self.before = self.report.rows.clone();
    }
}

fn demand(share: &LinkShare) -> Demand {
    let promise = share.settings.share;
    let bps = |rate: Option<Rate>, none: f64| rate.map_or(none, |rate| rate.bits_per_s as f64);
    Demand {
        weight: promise.weight,
        min: bps(promise.min_rate, 0.0),
        max: bps(promise.max_rate, f64::INFINITY),
        demand: share.offered_bps as f64,
    }
}
