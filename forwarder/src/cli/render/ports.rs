//! `weir stats` and `weir port list`.

use super::paint::{Paint, Tone};
use super::shares::contended;
use super::{Table, grouped, paragraph, percent, permille, time, uptime};
use weir_api::{
    Amount, Express, LinkLane, PortInfo, PortList, PortReport, Regimes, State, StatsReport,
    WorkerReport,
};
use weir_core::Choice as _;

/// Totals since weir started.
pub fn stats(report: &StatsReport, paint: Paint) -> String {
    let mut text = Table::fitting(|number| {
        Table::of(
            &report.ports,
            &[
                ("PORT", &|port| port.name.clone()),
                ("ROLE", &|port| port.role.to_string()),
                ("STATE", &|port| state(port.state, paint)),
                ("MODE", &|port| port.mode.to_string()),
                (">RX FRAMES", &|port| number(port.rx.frames)),
                (">TX FRAMES", &|port| number(port.tx.frames)),
                (">LOST", &|port| paint.paint(Tone::of_losses(port.lost()), &number(port.lost()))),
            ],
        )
    });
    if report.ports.is_empty() {
        text.push_str("(no ports yet)\n");
    }
    let ports = report.ports.iter();
    text += &problems(ports.map(|port| (port.name.as_str(), port.problem.as_deref())));
    text.push('\n');
    for table in [lanes(report), links(report), contended(report, paint)] {
        if !table.is_empty() {
            text.extend([&table, "\n"]);
        }
    }
    text.push_str(&summary(report, paint));
    text
}

/// The frames that ports sent (RX) and that were delivered to them (TX), if not all by workers.
fn lanes(report: &StatsReport) -> String {
    let told: Vec<&PortReport> = report.ports.iter().filter(|port| has_others(port)).collect();
    if told.is_empty() {
        return String::new();
    }
    Table::fitting(|number| {
        Table::of(
            told.iter().copied(),
            &[
                ("LANES", &|port| port.name.clone()),
                (">RX EXPRESS", &|port| number(port.lanes.express.frames)),
                (">RX SCHEDULED", &|port| number(port.lanes.scheduled.frames)),
                (">RX BRIDGE", &|port| number(port.lanes.bridge.frames)),
                (">TX EXPRESS", &|port| number(port.tx_lanes.express.frames)),
                (">TX SCHEDULED", &|port| number(port.tx_lanes.scheduled.frames)),
            ],
        )
    })
}

/// The links with a rate: lane, its changes, the gate's part, and the traffic of host and bridge.
fn links(report: &StatsReport) -> String {
    let rated: Vec<(&PortReport, LinkLane)> =
        report.ports.iter().filter_map(|port| Some((port, port.link?))).collect();
    if rated.is_empty() {
        return String::new();
    }
    let mut text = Table::fitting(|number| {
        Table::of(
            rated.iter().copied(),
            &[
                ("LINKS", &|(port, _)| port.name.clone()),
                ("LANE", &|(_, link)| link.lane.to_string()),
                (">FLIPS", &|(_, link)| number(link.closings)),
                (">EXPRESS", &|(port, link)| {
                    express_part(port, link).map_or_else(|| "-".to_owned(), percent)
                }),
                (">HOST FRAMES", &|(_, link)| number(link.charged.frames)),
                (">HOST BYTES", &|(_, link)| number(link.charged.bytes)),
                (">AHEAD", &|(_, link)| time(link.ahead_ns)),
            ],
        )
    });
    for (port, _) in rated.iter().filter(|(_, link)| link.is_full()) {
        let name = &port.name;
        text += &format!("link {name}: host and bridge send all that it takes, no room is left\n");
    }
    text
}

/// The gate's part of the bytes sent to a link, in thousandths.
fn express_part(port: &PortReport, link: &LinkLane) -> Option<u64> {
    let lanes = &port.tx_lanes;
    permille(lanes.express.bytes, (lanes.express + lanes.scheduled + link.charged).bytes)
}

/// Whether any frame used a lane other than a worker's.
fn has_others(port: &PortReport) -> bool {
    let others = [port.lanes.express, port.lanes.bridge, port.tx_lanes.express];
    others.iter().any(|amount| *amount != Amount::default())
}

pub(super) fn state(state: State, paint: Paint) -> String {
    paint.paint(Tone::of_state(state), state.name())
}

/// Reasons why ports have failed, below their table.
fn problems<'p>(ports: impl Iterator<Item = (&'p str, Option<&'p str>)>) -> String {
    ports.filter_map(|(name, problem)| Some(paragraph(&format!("{name}: {}", problem?)))).collect()
}

/// The lines below the ports: the ledger in one sentence, the worker's time, the pool.
fn summary(report: &StatsReport, paint: Paint) -> String {
    let ledger = &report.ledger;
    let mut reasons: Vec<(&String, &u64)> = ledger.lost_by_reason.iter().collect();
    reasons.sort_by_key(|(_, frames)| std::cmp::Reverse(**frames));
    let reasons: Vec<String> =
        reasons.into_iter().map(|(name, frames)| format!("{name} {}", grouped(*frames))).collect();
    let lost = match reasons.as_slice() {
        [] => "nothing lost".to_owned(),
        reasons => format!("{} lost ({})", grouped(ledger.lost), reasons.join(", ")),
    };
    let balanced = match ledger.balanced {
        true => "balanced".to_owned(),
        false => paint.paint(Tone::Bad, "NOT BALANCED"),
    };
    let express = match ledger.express {
        0 => String::new(),
        express => format!(
            ", {} delivered ({} by the express lane)",
            grouped(ledger.delivered),
            grouped(express)
        ),
    };
    let mut text = paragraph(&format!("ledger: {balanced}{express}, {lost}"));
    text.push_str(&workers(report));
    let (pool, fdb) = (&report.frames, &report.fdb);
    let line = format!(
        "pool: {} of {} frames free; known addresses: {} of {}; up {}",
        grouped(pool.free),
        grouped(pool.total),
        grouped(fdb.entries),
        grouped(fdb.capacity),
        uptime(report.uptime_ns)
    );
    text + &paragraph(&line)
}

/// The regimes of each worker's time, and which worker is the limit.
pub(super) fn workers(report: &StatsReport) -> String {
    let lines = report.worker.iter().map(|worker| worker_line(worker, &worker.regimes));
    lines.chain(limits(report)).collect()
}

/// The workers that are the limit now, the sources affected, and advice.
pub(super) fn limits(report: &StatsReport) -> impl Iterator<Item = String> {
    let limits = report.worker.iter().filter(|worker| worker.limited.is_notable());
    limits.map(|worker| {
        let waiting = kept_waiting(report, worker);
        let shed = if waiting.is_empty() {
            "no source is shed for it".to_owned()
        } else {
            format!("shed for it: {}", waiting.join(", "))
        };
        let line = format!(
            "the worker on core {} is the limit {} of the time now; {shed}; more workers would help, a core of its own, or lane = \"auto\"",
            worker.core,
            percent(worker.limited.now_permille),
        );
        paragraph(&line)
    })
}

/// The sources that are shed now for a link of this worker that has no rate itself.
fn kept_waiting<'a>(report: &'a StatsReport, worker: &WorkerReport) -> Vec<&'a str> {
    let by_worker = |name: &str| {
        let port = report.port(name);
        port.is_some_and(|port| port.promise.worker == worker.core && port.promise.rate_bps == 0)
    };
    let sheds = |port: &PortReport| port.links.iter().any(|it| it.shed && by_worker(&it.to));
    report.ports.iter().filter(|port| sheds(port)).map(|port| port.name.as_str()).collect()
}

pub(super) fn worker_line(worker: &WorkerReport, regimes: &Regimes) -> String {
    format!(
        "worker on core {} ({}): busy {}, idle {}, back-pressured {}\n",
        worker.core,
        worker.idle.name(),
        percent(regimes.busy.share_permille),
        percent(regimes.idle.share_permille),
        percent(regimes.back_pressured.share_permille),
    )
}

/// `weir port list`.
pub fn port_list(list: &PortList, paint: Paint) -> String {
    let table = Table::of(
        &list.ports,
        &[
            ("PORT", &|port| port.name.clone()),
            ("ROLE", &|port| port.role.to_string()),
            ("STATE", &|port| state(port.state, paint)),
            ("MODE", &|port| port.mode.to_string()),
            ("DRIVER", &|port| match port.driver.as_str() {
                "" => "-".to_owned(),
                driver => driver.chars().take(8).collect(),
            }),
            (">INDEX", &|port| port.ifindex.to_string()),
            (">MTU", &|port| port.mtu.to_string()),
            (">QUEUES", &|port| port.queues.to_string()),
            ("GSO", &|port| if port.superframes { "yes" } else { "no" }.to_owned()),
        ],
    );
    let mut text = table.render();
    if list.ports.is_empty() {
        text.push_str("(no ports yet)\n");
    }
    text += &express(&list.ports);
    let ports = list.ports.iter();
    text + &problems(ports.map(|port| (port.name.as_str(), port.problem.as_deref())))
}

/// How the gate can hand frames to the ports itself: the ports by method, and why not by a better one.
fn express(ports: &[PortInfo]) -> String {
    let reached = |way: Express| {
        let by = ports.iter().filter(|port| port.express == Some(way));
        let names: Vec<&str> = by.map(|port| port.name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{} {}", way.name(), names.join(", ")))
    };
    let ways: Vec<String> =
        [Express::Peer, Express::Redirect].into_iter().filter_map(reached).collect();
    let mut text = String::new();
    if !ways.is_empty() {
        text += &paragraph(&format!("express: {}", ways.join("; ")));
    }
    for port in ports {
        if let Some(remark) = &port.express_remark {
            let way = port.express.map_or("not express", |_| "not by peer");
            text += &paragraph(&format!("{} {way}: {remark}", port.name));
        }
    }
    let unkept = ports.iter().filter(|port| port.kept == Some(false));
    let unkept: Vec<&str> = unkept.map(|port| port.name.as_str()).collect();
    if !unkept.is_empty() {
        let line = format!("gone with weir, if it is killed: the gate of {}", unkept.join(", "));
        text += &paragraph(&line);
    }
    text
}

#[cfg(test)]
mod tests;
