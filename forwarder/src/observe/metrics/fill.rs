//! Reads metrics from a sample. Invariant: a series stays as long as its port does, so that no rate
//! begins in the middle; zeros are reported.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use weir_api::{
    Amount, LinkLane, LinkShare, PortCounter, PortReport, State, Traffic, WorkerReport,
};
use weir_core::{Choice as _, Named, Role};

use super::Sample;
use super::page::{Value, Value::Whole};
use super::times::seconds;
use crate::observe::measure::SourceFlows;

/// The values of a metric's labels, and its own.
pub(super) type MetricRow<'s> = (Vec<Cow<'s, str>>, Value<'s>);
pub(super) type MetricRows<'s> = Vec<MetricRow<'s>>;

pub(super) fn row<'s, const N: usize>(labels: [&'s str; N], value: Value<'s>) -> MetricRow<'s> {
    (labels.map(Cow::Borrowed).into(), value)
}

/// The row of a metric without labels.
pub(super) fn one(value: Value<'_>) -> MetricRows<'_> {
    vec![(Vec::new(), value)]
}

/// The rows of each port.
pub(super) fn each<'s, R: IntoIterator<Item = MetricRow<'s>>>(
    all: &'s Sample,
    of: impl Fn(&'s PortReport) -> R,
) -> MetricRows<'s> {
    all.stats.ports.iter().flat_map(of).collect()
}

/// One number of each port; `None`: the port has none.
pub(super) fn ports<'s>(
    all: &'s Sample,
    of: fn(&PortReport) -> Option<Value<'static>>,
) -> MetricRows<'s> {
    each(all, |port| of(port).map(|value| row([&port.name], value)))
}

pub(super) fn counted(all: &Sample, counter: PortCounter) -> MetricRows<'_> {
    each(all, |port| [row([&port.name], Whole(port.counter(counter.name())))])
}

pub(super) fn states(port: &PortReport) -> MetricRows<'_> {
    let is = |state: &State| row([&port.name, state.name()], Whole((port.state == *state).into()));
    State::ALL.iter().map(is).collect()
}

pub(super) fn directions(all: &Sample, of: fn(&Traffic) -> u64) -> MetricRows<'_> {
    each(all, |port| {
        [("rx", &port.rx), ("tx", &port.tx), ("passed", &port.passed)]
            .map(|(direction, traffic)| row([&port.name, direction], Whole(of(traffic))))
    })
}

/// The program does not tell the superframes apart that it passes.
pub(super) fn superframes(all: &Sample) -> MetricRows<'_> {
    each(all, |port| {
        [("rx", &port.rx), ("tx", &port.tx)]
            .map(|(direction, traffic)| row([&port.name, direction], Whole(traffic.superframes)))
    })
}

pub(super) fn lanes(all: &Sample, of: fn(&Amount) -> u64) -> MetricRows<'_> {
    each(all, |port| {
        let lanes = &port.lanes;
        [("express", lanes.express), ("scheduled", lanes.scheduled), ("bridge", lanes.bridge)]
            .map(|(lane, amount)| row([&port.name, lane], Whole(of(&amount))))
    })
}

/// A row for every reason, of a port or of all.
pub(super) fn by_reason<'s, K: Named>(
    counts: &BTreeMap<String, u64>,
    port: Option<&'s str>,
) -> MetricRows<'s> {
    let rows = K::ALL.iter().map(|reason| {
        let count = counts.get(reason.name()).copied().unwrap_or(0);
        (port.into_iter().chain([reason.name()]).map(Cow::Borrowed).collect(), Whole(count))
    });
    rows.collect()
}

/// In bytes. 0 drawn as a limit would mean the opposite of "none".
pub(super) fn rate(bps: u64) -> Option<Value<'static>> {
    (bps > 0).then(|| Value::Real(bps as f64 / 8.0))
}

pub(super) fn shed_links(port: &PortReport) -> Option<Value<'static>> {
    Some(Whole(port.links.iter().filter(|link| link.shed).count() as u64))
}

/// Rows for the links where shares matter: all pairs of ports would make series without bound.
pub(super) fn links(all: &Sample, of: fn(&LinkShare) -> u64) -> MetricRows<'_> {
    let matters = |port: &&PortReport| port.role == Role::Uplink || port.promise.rate_bps > 0;
    let shared = all.stats.ports.iter().filter(matters);
    let shared: BTreeSet<&str> = shared.map(|port| port.name.as_str()).collect();
    each(all, |port| {
        let links = port.links.iter().filter(|link| shared.contains(&*link.to));
        links.map(|link| row([&port.name, &link.to], Whole(of(link)))).collect::<MetricRows<'_>>()
    })
}

/// Rows for the links with a rate.
pub(super) fn rated(all: &Sample, of: fn(&LinkLane) -> Value<'static>) -> MetricRows<'_> {
    each(all, |port| port.link.map(|link| row([&port.name], of(&link))))
}

pub(super) fn residences(all: &Sample) -> MetricRows<'_> {
    all.times.iter().map(|times| row([&times.port], Value::Spread(&times.residence))).collect()
}

pub(super) fn stages(all: &Sample) -> MetricRows<'_> {
    let rows = all.times.iter().flat_map(|times| {
        let stages = times.stages();
        stages.map(|(stage, spread)| row([&times.port, stage.name()], Value::Spread(spread)))
    });
    rows.collect()
}

pub(super) fn flows(all: &Sample, of: fn(&SourceFlows) -> u64) -> MetricRows<'_> {
    all.flows.sources.iter().map(|source| row([&source.port], Whole(of(source)))).collect()
}

pub(super) fn workers(all: &Sample, of: fn(&WorkerReport) -> Value<'static>) -> MetricRows<'_> {
    let row = |worker| (vec![core(worker)], of(worker));
    all.stats.worker.iter().map(row).collect()
}

pub(super) fn regimes(all: &Sample) -> MetricRows<'_> {
    let rows = all.stats.worker.iter().flat_map(|worker| {
        let regimes = &worker.regimes;
        [("busy", regimes.busy), ("idle", regimes.idle), ("back_pressured", regimes.back_pressured)]
            .map(|(name, regime)| (vec![core(worker), name.into()], seconds_of(regime.ns)))
    });
    rows.collect()
}

fn core<'s>(worker: &WorkerReport) -> Cow<'s, str> {
    worker.core.to_string().into()
}

pub(super) fn pool(all: &Sample) -> MetricRows<'_> {
    let frames = &all.stats.frames;
    [
        ("free", frames.free),
        ("fill", frames.fill),
        ("rx", frames.rx),
        ("held", frames.held),
        ("tx", frames.tx),
    ]
    .map(|(owner, frames)| row([owner], Whole(frames)))
    .into()
}

pub(super) fn seconds_of(ns: u64) -> Value<'static> {
    Value::Real(seconds(ns.into()))
}
