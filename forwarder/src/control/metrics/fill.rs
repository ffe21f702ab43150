//! The values of every metric, from a sample. Invariant: a series that is there once stays while
//! its port does, so that no rate begins in the middle; zeros are told.

use std::{collections::BTreeSet, fmt};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use weir_core::{Reason, ReleaseReason};

use super::{
    Sample,
    families::{self as m, Metric},
    page::{Page, Value, Value::Whole},
    times::seconds,
};
use crate::control::measure::SourceFlows;
use weir_api::{Amount, LaneNow, Lanes, LinkLane, LinkShare, PortReport, Role, State, Traffic};

const STATES: [State; 5] = [State::Up, State::Down, State::Gone, State::Failed, State::Stopped];

impl Collector for Sample {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        page.family(&m::BUILD, [([env!("CARGO_PKG_VERSION")], Whole(1))])?;
        page.single(&m::UPTIME, real(self.stats.uptime_ns))?;
        let ports = self.stats.ports.as_slice();
        traffic(&mut page, ports)?;
        promises(&mut page, ports)?;
        links(&mut page, ports)?;
        containers(&mut page, ports)?;
        self.latency(&mut page)?;
        self.flows(&mut page)?;
        self.ledger(&mut page)?;
        self.workers(&mut page)?;
        self.tables(&mut page)
    }
}

impl Sample {
    fn latency(&self, page: &mut Page<'_>) -> fmt::Result {
        let residences = self.times.iter();
        let residences =
            residences.map(|times| ([times.port.as_str()], Value::Spread(&times.residence)));
        page.family(&m::RESIDENCE, residences)?;
        let stages = self.times.iter().flat_map(|times| {
            let row = |(stage, spread): (weir_core::Stage, _)| {
                ([&*times.port, stage.name()], Value::Spread(spread))
            };
            times.stages().map(row)
        });
        page.family(&m::STAGE, stages)
    }

    fn flows(&self, page: &mut Page<'_>) -> fmt::Result {
        let by_port = |of: fn(&SourceFlows) -> u64| {
            self.flows.sources.iter().map(move |source| ([&*source.port], Whole(of(source))))
        };
        page.family(&m::FLOWS, by_port(|source| source.known))?;
        page.family(&m::FLOWS_ENDED, by_port(|source| source.ended))?;
        page.family(&m::FLOWS_OTHER, by_port(|source| source.other_frames))?;
        page.single(&m::FLOWS_CAPACITY, Whole(self.flows.capacity))
    }

    fn ledger(&self, page: &mut Page<'_>) -> fmt::Result {
        let ledger = &self.stats.ledger;
        page.single(&m::LEDGER_RECEIVED, Whole(ledger.received))?;
        page.single(&m::LEDGER_COPIES, Whole(ledger.copies))?;
        page.single(&m::LEDGER_DELIVERED, Whole(ledger.delivered))?;
        page.single(&m::LEDGER_EXPRESS, Whole(ledger.express))?;
        page.single(&m::LEDGER_PASSED, Whole(ledger.passed))?;
        let lost = Reason::ALL.iter().map(|reason| {
            let frames = ledger.lost_by_reason.get(reason.name()).copied().unwrap_or(0);
            ([reason.name()], Whole(frames))
        });
        page.with_help(&m::LEDGER_LOST, &with_reasons(m::LEDGER_LOST.help), lost)?;
        page.single(&m::LEDGER_IN_FLIGHT, Whole(ledger.in_flight))?;
        page.single(&m::LEDGER_BALANCED, Whole(ledger.balanced.into()))
    }

    fn workers(&self, page: &mut Page<'_>) -> fmt::Result {
        let workers = || self.stats.worker.iter().map(|worker| (worker.core.to_string(), worker));
        let spent = workers().flat_map(|(core, worker)| {
            let regimes = &worker.regimes;
            [
                ("busy", regimes.busy),
                ("idle", regimes.idle),
                ("back_pressured", regimes.back_pressured),
            ]
            .map(|(name, regime)| ([core.clone(), name.to_owned()], real(regime.ns)))
        });
        page.family(&m::WORKER_SECONDS, spent)?;
        let limited = workers().map(|(core, worker)| ([core], real(worker.limited.ns)));
        page.family(&m::WORKER_LIMITED, limited)?;
        let turns = workers().map(|(core, worker)| ([core], Whole(worker.turns)));
        page.family(&m::WORKER_TURNS, turns)?;
        let kicks = workers().map(|(core, worker)| ([core], Whole(worker.kicks)));
        page.family(&m::WORKER_KICKS, kicks)
    }

    fn tables(&self, page: &mut Page<'_>) -> fmt::Result {
        let (frames, fdb) = (&self.stats.frames, &self.stats.fdb);
        let owners = [
            ("free", frames.free),
            ("fill", frames.fill),
            ("rx", frames.rx),
            ("held", frames.held),
            ("tx", frames.tx),
        ];
        page.family(&m::POOL_FRAMES, owners.map(|(owner, frames)| ([owner], Whole(frames))))?;
        page.single(&m::POOL_SIZE, Whole(frames.total))?;
        page.single(&m::FDB_ENTRIES, Whole(fdb.entries))?;
        page.single(&m::FDB_CAPACITY, Whole(fdb.capacity))
    }
}

fn traffic(page: &mut Page<'_>, ports: &[PortReport]) -> fmt::Result {
    let infos = ports
        .iter()
        .map(|port| ([port.name.as_str(), port.role.name(), port.mode.name()], Whole(1)));
    page.family(&m::PORT, infos)?;
    let states = ports.iter().flat_map(|port| {
        STATES.map(|state| ([&*port.name, state.name()], Whole((port.state == state).into())))
    });
    page.family(&m::PORT_STATE, states)?;
    let directions = |of: fn(&Traffic) -> u64| {
        ports.iter().flat_map(move |port| {
            [("rx", &port.rx), ("tx", &port.tx), ("passed", &port.passed)]
                .map(|(direction, traffic)| ([&*port.name, direction], Whole(of(traffic))))
        })
    };
    page.family(&m::PORT_FRAMES, directions(|traffic| traffic.frames))?;
    page.family(&m::PORT_BYTES, directions(|traffic| traffic.bytes))?;
    // What the program passes, it does not tell apart.
    let superframes = directions(|traffic| traffic.superframes)
        .filter(|([_, direction], _)| *direction != "passed");
    page.family(&m::PORT_SUPERFRAMES, superframes)?;
    let lanes = |of: fn(&Amount) -> u64| {
        ports.iter().flat_map(move |port| {
            let Lanes { express, scheduled, bridge } = &port.lanes;
            [("express", express), ("scheduled", scheduled), ("bridge", bridge)]
                .map(|(lane, amount)| ([&*port.name, lane], Whole(of(amount))))
        })
    };
    page.family(&m::PORT_LANE_FRAMES, lanes(|amount| amount.frames))?;
    page.family(&m::PORT_LANE_BYTES, lanes(|amount| amount.bytes))?;
    let lost = ports.iter().flat_map(|port| {
        Reason::ALL.iter().map(|reason| {
            let frames = port.losses.get(reason.name()).copied().unwrap_or(0);
            ([&*port.name, reason.name()], Whole(frames))
        })
    });
    page.with_help(&m::PORT_LOST, &with_reasons(m::PORT_LOST.help), lost)?;
    for (metric, counter) in [
        (&m::PORT_COPIES, "copies"),
        (&m::PORT_CHECKSUMS, "checksums_completed"),
        (&m::PORT_SEGMENTED, "superframes_segmented"),
        (&m::PORT_KICKS, "kicks"),
        (&m::PORT_KICKS_AGAIN, "kick_again"),
    ] {
        by_port(page, metric, ports, |port| {
            Some(Whole(port.counters.get(counter).copied().unwrap_or(0)))
        })?;
    }
    Ok(())
}

fn promises(page: &mut Page<'_>, ports: &[PortReport]) -> fmt::Result {
    by_port(page, &m::PORT_QUEUE_BYTES, ports, |port| Some(Whole(port.queued.bytes)))?;
    by_port(page, &m::PORT_QUEUE_PACKETS, ports, |port| Some(Whole(port.queued.packets)))?;
    by_port(page, &m::PORT_QUEUE_LIMIT, ports, |port| Some(Whole(port.promise.queue_bytes)))?;
    by_port(page, &m::PORT_WEIGHT, ports, |port| Some(Whole(port.promise.weight)))?;
    // 0 drawn as a limit would say the opposite of "none".
    let rate = |bps: u64| (bps > 0).then(|| Value::Real(bps as f64 / 8.0));
    by_port(page, &m::PORT_MIN_RATE, ports, |port| rate(port.promise.min_rate_bps))?;
    by_port(page, &m::PORT_MAX_RATE, ports, |port| rate(port.promise.max_rate_bps))?;
    by_port(page, &m::PORT_RATE, ports, |port| rate(port.promise.rate_bps))?;
    by_port(page, &m::PORT_SHED_LINKS, ports, |port| {
        Some(Whole(port.links.iter().filter(|link| link.shed).count() as u64))
    })
}

/// Of the links where shares matter: with all pairs of ports there would be series without bound.
fn links(page: &mut Page<'_>, ports: &[PortReport]) -> fmt::Result {
    let shared: BTreeSet<&str> = ports
        .iter()
        .filter(|port| port.role == Role::Uplink || port.promise.rate_bps > 0)
        .map(|port| port.name.as_str())
        .collect();
    let rows = |of: fn(&LinkShare) -> u64| {
        let shared = &shared;
        ports.iter().flat_map(move |port| {
            let links = port.links.iter().filter(|link| shared.contains(&*link.to));
            links.map(move |link| ([&*port.name, &*link.to], Whole(of(link))))
        })
    };
    page.family(&m::LINK_FRAMES, rows(|link| link.frames))?;
    page.family(&m::LINK_BYTES, rows(|link| link.bytes))?;
    page.family(&m::LINK_QUEUE, rows(|link| link.queued.bytes))?;
    page.family(&m::LINK_SHED, rows(|link| link.shed.into()))?;
    let rated = |of: fn(&LinkLane) -> Value<'static>| {
        let links = ports.iter().filter_map(|port| Some((port.name.as_str(), port.link?)));
        links.map(move |(name, link)| ([name], of(&link)))
    };
    page.family(&m::LINK_CHARGED_FRAMES, rated(|link| Whole(link.charged.frames)))?;
    page.family(&m::LINK_CHARGED_BYTES, rated(|link| Whole(link.charged.bytes)))?;
    page.family(&m::LINK_AHEAD, rated(|link| real(link.ahead_ns)))?;
    page.family(&m::LINK_SCHEDULED, rated(|link| Whole((link.lane == LaneNow::Scheduled).into())))?;
    page.family(&m::LINK_CLOSINGS, rated(|link| Whole(link.closings)))
}

fn containers(page: &mut Page<'_>, ports: &[PortReport]) -> fmt::Result {
    let released = ports.iter().flat_map(|port| {
        ReleaseReason::ALL.iter().map(|reason| {
            let released = &port.containers.released;
            let count = released.get(reason.name()).copied().unwrap_or(0);
            ([&*port.name, reason.name()], Whole(count))
        })
    });
    page.family(&m::RELEASED, released)?;
    by_port(page, &m::CONTAINER_PACKETS, ports, |port| Some(Whole(port.containers.packets)))?;
    by_port(page, &m::CONTAINER_BYTES, ports, |port| Some(Whole(port.containers.bytes)))?;
    by_port(page, &m::CONTAINER_OPEN, ports, |port| Some(real(port.containers.wait_ns)))
}

fn by_port(
    page: &mut Page<'_>,
    metric: &Metric<1>,
    ports: &[PortReport],
    value: impl Fn(&PortReport) -> Option<Value<'static>>,
) -> fmt::Result {
    let rows = ports.iter().filter_map(|port| Some(([port.name.as_str()], value(port)?)));
    page.family(metric, rows)
}

/// What each reason means, and what to do about it, in the metric's own help.
fn with_reasons(help: &str) -> String {
    let mut text = help.to_owned();
    for reason in Reason::ALL {
        // Quotation marks are escaped in one format and not in the other.
        let sentence = reason.describe().replace('"', "'");
        text.extend([" ", reason.name(), ": ", &sentence]);
    }
    text
}

fn real(ns: u64) -> Value<'static> {
    Value::Real(seconds(ns.into()))
}
