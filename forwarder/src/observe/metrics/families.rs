//! Every metric: its name, kind, unit, labels, sentence and reader. Invariants: names are in base units
//! and end in them; a sentence holds no quotation mark, backslash or line break, so that it needs no
//! escaping in any format. A series stays as long as its port does, so that no rate begins in the
//! middle; zeros are reported.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use weir_api::{
    Amount, LaneNow, LinkLane, LinkShare, PortCounter, PortReport, State, Traffic, WorkerReport,
};
use weir_core::{Choice as _, Named, Reason, ReleaseReason, Role};

use super::Sample;
use super::page::{Value, Value::Whole};
use super::times::seconds;
use crate::observe::measure::SourceFlows;

/// The values of a metric's labels, and its own.
type MetricRow<'s> = (Vec<Cow<'s, str>>, Value<'s>);
type MetricRows<'s> = Vec<MetricRow<'s>>;

/// The kind of a metric, in OpenMetrics' terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that only grows; its samples end in `_total`.
    Counter,
    Gauge,
    Histogram,
    /// Always 1, to carry labels; its sample ends in `_info`.
    Info,
}

/// A metric, and the function that reads its values.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name of the family, without `_total` or `_info`.
    pub name: &'static str,
    pub kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub labels: &'static [&'static str],
    pub help: &'static str,
    pub(super) rows: fn(&Sample) -> MetricRows<'_>,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    /// The suffix that a sample's name adds to the family's.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

macro_rules! metrics {
    ($($kind:ident $name:literal $(in $unit:literal)? [$($label:literal)*] $help:expr => $rows:expr;)*) => {
        /// In the order of the page.
        pub static ALL: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            unit: metrics!(@unit $($unit)?),
            labels: &[$($label),*],
            help: $help,
            rows: $rows,
        }),*];
    };
    (@unit $unit:literal) => { Some($unit) };
    (@unit) => { None };
}

metrics! {
    Info "weir_build" ["version"] "The version that runs."
        => |_| vec![row([env!("CARGO_PKG_VERSION")], Whole(1))];
    Gauge "weir_uptime_seconds" in "seconds" [] "Since this weir started."
        => |all| one(seconds_of(all.stats.uptime_ns));

    Info "weir_port" ["port" "role" "mode"] "A port, its role (uplink or vif), and how it is attached now (none, native or gate)."
        => |all| each(all, |port| [row([&port.name, port.role.name(), port.mode.name()], Whole(1))]);
    Gauge "weir_port_state" ["port" "state"] "1 for the state that the port is in, 0 for the others: up, down (without carrier or set down), gone (its interface was deleted), failed (weir stats says why), stopped."
        => |all| each(all, states);
    Counter "weir_port_frames" in "frames" ["port" "direction"] "Frames, a superframe being one: rx were taken from the port's guest or link, tx delivered to it, both by workers and by the gate itself; passed were left to the kernel, for the bridge or the host."
        => |all| directions(all, |traffic| traffic.frames);
    Counter "weir_port_bytes" in "bytes" ["port" "direction"] "Bytes of the frames in weir_port_frames_total."
        => |all| directions(all, |traffic| traffic.bytes);
    Counter "weir_port_superframes" ["port" "direction"] "How many of the frames that workers took or sent were superframes, up to 64 kB, cut later or never."
        => superframes;
    Counter "weir_port_lane_frames" in "frames" ["port" "lane"] "Frames that the port sent, by the lane that they went: express (the gate handed them to their port), scheduled (a worker took them), bridge (left to the kernel, for the bridge or the host)."
        => |all| lanes(all, |amount| amount.frames);
    Counter "weir_port_lane_bytes" in "bytes" ["port" "lane"] "Bytes of the frames in weir_port_lane_frames_total."
        => |all| lanes(all, |amount| amount.bytes);
    Counter "weir_port_lost_frames" in "frames" ["port" "reason"] "Frames that came in by this port and were lost, each under one reason; every reason is there, at 0 if need be."
        => |all| each(all, |port| by_reason::<Reason>(&port.losses, Some(&port.name)));
    Counter "weir_port_copied_frames" in "frames" ["port"] PortCounter::Copies.describe()
        => |all| counted(all, PortCounter::Copies);
    Counter "weir_port_checksums_completed" ["port"] PortCounter::ChecksumsCompleted.describe()
        => |all| counted(all, PortCounter::ChecksumsCompleted);
    Counter "weir_port_superframes_segmented" ["port"] PortCounter::SuperframesSegmented.describe()
        => |all| counted(all, PortCounter::SuperframesSegmented);
    Counter "weir_port_kicks" ["port"] PortCounter::Kicks.describe()
        => |all| counted(all, PortCounter::Kicks);
    Counter "weir_port_kicks_pushed_back" ["port"] PortCounter::KickAgain.describe()
        => |all| counted(all, PortCounter::KickAgain);

    Gauge "weir_port_queue_bytes" in "bytes" ["port"] "What waits to be sent out of this port now."
        => |all| ports(all, |port| Some(Whole(port.queued.bytes)));
    Gauge "weir_port_queue_packets" in "packets" ["port"] "Likewise in packets."
        => |all| ports(all, |port| Some(Whole(port.queued.packets)));
    Gauge "weir_port_queue_limit_bytes" in "bytes" ["port"] "What this port may have waiting for one link before it is shed."
        => |all| ports(all, |port| Some(Whole(port.promise.queue_bytes)));
    Gauge "weir_port_weight" ["port"] "What the port gets as a source of a contended link, compared with the others."
        => |all| ports(all, |port| Some(Whole(port.promise.weight)));
    Gauge "weir_port_min_rate_bytes_per_second" in "bytes_per_second" ["port"] "The rate promised to the port as a source; absent where there is none."
        => |all| ports(all, |port| rate(port.promise.min_rate_bps));
    Gauge "weir_port_max_rate_bytes_per_second" in "bytes_per_second" ["port"] "The rate that the port as a source is held to; absent where there is none."
        => |all| ports(all, |port| rate(port.promise.max_rate_bps));
    Gauge "weir_port_rate_bytes_per_second" in "bytes_per_second" ["port"] "The rate of the link towards the port; absent where it is what the device takes."
        => |all| ports(all, |port| rate(port.promise.rate_bps));
    Gauge "weir_port_shed_links" ["port"] "For how many links the port is shed now: it sends more for them than may wait, and the XDP program drops that at its own core."
        => |all| ports(all, shed_links);

    Counter "weir_link_frames" in "frames" ["port" "to"] "Handed to a link by source, by workers and by the gate; of links to uplinks and to ports with a rate."
        => |all| links(all, |link| link.frames);
    Counter "weir_link_bytes" in "bytes" ["port" "to"] "Likewise in bytes: a source's share is its part of the sum over a link."
        => |all| links(all, |link| link.bytes);
    Gauge "weir_link_queue_bytes" in "bytes" ["port" "to"] "What waits of a source for such a link now."
        => |all| links(all, |link| link.queued.bytes);
    Gauge "weir_link_shed" ["port" "to"] "1 while a source is shed for such a link."
        => |all| links(all, |link| link.shed.into());
    Counter "weir_link_charged_frames" in "frames" ["to"] "Frames that the host and the bridge sent to a link with a rate; their bytes are charged to it, and weir sends what is left."
        => |all| rated(all, |link| Whole(link.charged.frames));
    Counter "weir_link_charged_bytes" in "bytes" ["to"] "Bytes of the frames in weir_link_charged_frames_total."
        => |all| rated(all, |link| Whole(link.charged.bytes));
    Gauge "weir_link_ahead_seconds" in "seconds" ["to"] "How far what was sent to a link with a rate is ahead of that rate now. Above 0.02 the host and the bridge send more than the link takes, and what weir has for it waits; it ends at 0.1."
        => |all| rated(all, |link| seconds_of(link.ahead_ns));
    Gauge "weir_link_scheduled" ["to"] "1 while a worker schedules a link with a rate, 0 while the gate hands frames to it."
        => |all| rated(all, |link| Whole((link.lane == LaneNow::Scheduled).into()));
    Counter "weir_link_closings" ["to"] "How often a link with a rate passed to its scheduler, because frames had to wait."
        => |all| rated(all, |link| Whole(link.closings));

    Counter "weir_containers_released" ["port" "reason"] "Containers of a source that were let go: full (the next packet did not fit), timeout (open for the longest time allowed), playout (its first packet would have been late), idle (its link had nothing else to send), flush (the burst was over, or the port left)."
        => |all| each(all, |port| by_reason::<ReleaseReason>(&port.containers.released, Some(&port.name)));
    Counter "weir_container_packets" in "packets" ["port"] "Packets in those containers."
        => |all| ports(all, |port| Some(Whole(port.containers.packets)));
    Counter "weir_container_bytes" in "bytes" ["port"] "Bytes in those containers."
        => |all| ports(all, |port| Some(Whole(port.containers.bytes)));
    Counter "weir_container_open_seconds" in "seconds" ["port"] "How long they were open, all together."
        => |all| ports(all, |port| Some(seconds_of(port.containers.wait_ns)));

    Histogram "weir_residence_seconds" in "seconds" ["port"] "From the XDP program's stamp until the kernel had taken the packet at its egress, of the packets that workers delivered, by source; what the gate hands over itself is not timed."
        => residences;
    Histogram "weir_stage_seconds" in "seconds" ["port" "stage"] "The same by stage, which add up to the residence: steer (until the worker took it), container (in an open one), queue (in its link's), tx (until the kernel had taken it)."
        => stages;

    Gauge "weir_flows" ["port"] "Flows that came in by this port and are told apart now."
        => |all| flows(all, |source| source.known);
    Counter "weir_flows_ended" ["port"] "Flows that were told apart until they had been idle for long, or had to make room."
        => |all| flows(all, |source| source.ended);
    Counter "weir_flows_other_frames" in "frames" ["port"] "Frames of flows that are not told apart: the table was full when they came. Express frames, which no table sees, are not among them."
        => |all| flows(all, |source| source.other_frames);
    Gauge "weir_flows_capacity" [] "Flows that can be told apart at once, of all ports; 0 where flows are not counted."
        => |all| one(Whole(all.flows.capacity));

    Counter "weir_ledger_received_frames" in "frames" [] "Every frame that entered a port, whatever became of it, ports that are gone included."
        => |all| one(Whole(all.stats.ledger.received));
    Counter "weir_ledger_copied_frames" in "frames" [] "Made here, by cutting superframes."
        => |all| one(Whole(all.stats.ledger.copies));
    Counter "weir_ledger_delivered_frames" in "frames" [] "Handed over: to a device that has reported it done, or by the gate."
        => |all| one(Whole(all.stats.ledger.delivered));
    Counter "weir_ledger_express_frames" in "frames" [] "How many of the delivered frames the gate handed over itself, without a worker."
        => |all| one(Whole(all.stats.ledger.express));
    Counter "weir_ledger_passed_frames" in "frames" [] "Left to the kernel."
        => |all| one(Whole(all.stats.ledger.passed));
    Counter "weir_ledger_lost_frames" in "frames" ["reason"] "Ended under one of these reasons."
        => |all| by_reason::<Reason>(&all.stats.ledger.lost_by_reason, None);
    Gauge "weir_ledger_in_flight_frames" in "frames" [] "In a ring or a queue at the moment; 0 soon after traffic stops."
        => |all| one(Whole(all.stats.ledger.in_flight));
    Gauge "weir_ledger_balanced" [] "1 if received + copied = delivered + passed + lost + in flight. If it stays 0, it is a bug: please report it."
        => |all| one(Whole(all.stats.ledger.balanced.into()));
    Counter "weir_broken_invariants" [] "What cannot happen unless weir has a bug, and did. If it is not 0, please report it with the log, which says what it was."
        => |all| one(Whole(all.stats.broken_invariants));

    Counter "weir_worker_seconds" in "seconds" ["core" "regime"] "Where the worker's time went: busy (moving frames), idle (nothing to do: polling or asleep), back_pressured (something to send, and no device that takes it)."
        => regimes;
    Counter "weir_worker_limited_seconds" in "seconds" ["core"] "For how long something could have left, and waited for nothing but the worker: it is the limit. Give it a core of its own, or more workers, or let ports use the express lane."
        => |all| workers(all, |worker| seconds_of(worker.limited.ns));
    Counter "weir_worker_turns" ["core"] "Rounds over all ports."
        => |all| workers(all, |worker| Whole(worker.turns));
    Counter "weir_worker_kicks" ["core"] "System calls that told the kernel to send, ports that are gone included."
        => |all| workers(all, |worker| Whole(worker.kicks));

    Gauge "weir_pool_frames" in "frames" ["state"] "The pool's frames by who holds them: free (unused), fill (the kernel, to receive into), rx (received, not looked at yet), held (in containers and queues), tx (the kernel, being sent)."
        => pool;
    Gauge "weir_pool_size_frames" in "frames" [] "All frames of the pool: the sum of the states."
        => |all| one(Whole(all.stats.frames.total));
    Gauge "weir_fdb_entries" [] "Addresses in the gate's table."
        => |all| one(Whole(all.stats.fdb.entries));
    Gauge "weir_fdb_capacity_entries" [] "Addresses that the gate's table has room for."
        => |all| one(Whole(all.stats.fdb.capacity));
}

fn row<'s, const N: usize>(labels: [&'s str; N], value: Value<'s>) -> MetricRow<'s> {
    (labels.map(Cow::Borrowed).into(), value)
}

/// The row of a metric without labels.
fn one(value: Value<'_>) -> MetricRows<'_> {
    vec![(Vec::new(), value)]
}

/// The rows of each port.
fn each<'s, R: IntoIterator<Item = MetricRow<'s>>>(
    all: &'s Sample,
    of: impl Fn(&'s PortReport) -> R,
) -> MetricRows<'s> {
    all.stats.ports.iter().flat_map(of).collect()
}

/// One number of each port; `None`: the port has none.
fn ports<'s>(all: &'s Sample, of: fn(&PortReport) -> Option<Value<'static>>) -> MetricRows<'s> {
    each(all, |port| of(port).map(|value| row([&port.name], value)))
}

fn counted(all: &Sample, counter: PortCounter) -> MetricRows<'_> {
    each(all, |port| [row([&port.name], Whole(port.counter(counter.name())))])
}

fn states(port: &PortReport) -> MetricRows<'_> {
    let is = |state: &State| row([&port.name, state.name()], Whole((port.state == *state).into()));
    State::ALL.iter().map(is).collect()
}

fn directions(all: &Sample, of: fn(&Traffic) -> u64) -> MetricRows<'_> {
    each(all, |port| {
        [("rx", &port.rx), ("tx", &port.tx), ("passed", &port.passed)]
            .map(|(direction, traffic)| row([&port.name, direction], Whole(of(traffic))))
    })
}

/// The program does not tell the superframes apart that it passes.
fn superframes(all: &Sample) -> MetricRows<'_> {
    each(all, |port| {
        [("rx", &port.rx), ("tx", &port.tx)]
            .map(|(direction, traffic)| row([&port.name, direction], Whole(traffic.superframes)))
    })
}

fn lanes(all: &Sample, of: fn(&Amount) -> u64) -> MetricRows<'_> {
    each(all, |port| {
        let lanes = &port.lanes;
        [("express", lanes.express), ("scheduled", lanes.scheduled), ("bridge", lanes.bridge)]
            .map(|(lane, amount)| row([&port.name, lane], Whole(of(&amount))))
    })
}

/// A row for every reason, of a port or of all.
fn by_reason<'s, K: Named>(
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
fn rate(bps: u64) -> Option<Value<'static>> {
    (bps > 0).then(|| Value::Real(bps as f64 / 8.0))
}

fn shed_links(port: &PortReport) -> Option<Value<'static>> {
    Some(Whole(port.links.iter().filter(|link| link.shed).count() as u64))
}

/// Rows for the links where shares matter: all pairs of ports would make series without bound.
fn links(all: &Sample, of: fn(&LinkShare) -> u64) -> MetricRows<'_> {
    let matters = |port: &&PortReport| port.role == Role::Uplink || port.promise.rate_bps > 0;
    let shared = all.stats.ports.iter().filter(matters);
    let shared: BTreeSet<&str> = shared.map(|port| port.name.as_str()).collect();
    each(all, |port| {
        let links = port.links.iter().filter(|link| shared.contains(&*link.to));
        links.map(|link| row([&port.name, &link.to], Whole(of(link)))).collect::<MetricRows<'_>>()
    })
}

/// Rows for the links with a rate.
fn rated(all: &Sample, of: fn(&LinkLane) -> Value<'static>) -> MetricRows<'_> {
    each(all, |port| port.link.map(|link| row([&port.name], of(&link))))
}

fn residences(all: &Sample) -> MetricRows<'_> {
    all.times.iter().map(|times| row([&times.port], Value::Spread(&times.residence))).collect()
}

fn stages(all: &Sample) -> MetricRows<'_> {
    let rows = all.times.iter().flat_map(|times| {
        let stages = times.stages();
        stages.map(|(stage, spread)| row([&times.port, stage.name()], Value::Spread(spread)))
    });
    rows.collect()
}

fn flows(all: &Sample, of: fn(&SourceFlows) -> u64) -> MetricRows<'_> {
    all.flows.sources.iter().map(|source| row([&source.port], Whole(of(source)))).collect()
}

fn workers(all: &Sample, of: fn(&WorkerReport) -> Value<'static>) -> MetricRows<'_> {
    let row = |worker| (vec![core(worker)], of(worker));
    all.stats.worker.iter().map(row).collect()
}

fn regimes(all: &Sample) -> MetricRows<'_> {
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

fn pool(all: &Sample) -> MetricRows<'_> {
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

fn seconds_of(ns: u64) -> Value<'static> {
    Value::Real(seconds(ns.into()))
}
