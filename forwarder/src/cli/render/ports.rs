//! `weir stats` and `weir port list`.

use super::{
    Align::{Left, Right},
    Table, WIDTH, grouped,
    lanes::{lanes, links},
    paint::{Paint, Tone},
    percent,
    shares::contended,
    uptime, wrapped,
};
use weir_api::{Express, PortInfo, PortList, PortReport, Regimes, StatsReport, WorkerReport};
use weir_core::Choice as _;

/// Totals since weir started.
pub fn stats(report: &StatsReport, paint: Paint) -> String {
    let mut text = Table::fitting(|number| {
        let mut table = Table::new(&[
            ("PORT", Left),
            ("ROLE", Left),
            ("STATE", Left),
            ("MODE", Left),
            ("RX FRAMES", Right),
            ("TX FRAMES", Right),
            ("LOST", Right),
        ]);
        for port in &report.ports {
            table.row(vec![
                port.name.clone(),
                port.role.to_string(),
                paint.paint(Tone::of_state(port.state), port.state.name()),
                port.mode.name().to_owned(),
                number(port.rx.frames),
                number(port.tx.frames),
                paint.paint(Tone::of_losses(port.lost()), &number(port.lost())),
            ]);
        }
        table
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

/// Why ports have failed, under their table.
fn problems<'p>(ports: impl Iterator<Item = (&'p str, Option<&'p str>)>) -> String {
    ports
        .filter_map(|(name, problem)| Some(wrapped(&format!("{name}: {}", problem?), 0, WIDTH)))
        .collect()
}

/// The lines under the ports: the ledger in one sentence, the worker's time, the pool.
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
    let mut text = wrapped(&format!("ledger: {balanced}{express}, {lost}"), 0, WIDTH);
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
    text + &wrapped(&line, 0, WIDTH)
}

/// Where each worker's time went, and which of them is the limit.
pub(super) fn workers(report: &StatsReport) -> String {
    let lines = report.worker.iter().map(|worker| worker_line(worker, &worker.regimes));
    lines.chain(limits(report)).collect()
}

/// Which workers are the limit now, for whom, and what would help.
pub(super) fn limits(report: &StatsReport) -> impl Iterator<Item = String> {
    let limits = report.worker.iter().filter(|worker| worker.limited.is_notable());
    limits.map(|worker| {
        let waiting = kept_waiting(report, worker);
        let shed = if waiting.is_empty() {
            "nobody is shed for it".to_owned()
        } else {
            format!("shed for it: {}", waiting.join(", "))
        };
        let line = format!(
            "the worker on core {} is the limit {} of the time now; {shed}; more workers would help, a core of its own, or lane = \"auto\"",
            worker.core,
            percent(worker.limited.now_permille),
        );
        wrapped(&line, 0, WIDTH)
    })
}

/// Whose frames are shed, at the moment, for a link that has no rate itself and that this worker serves.
fn kept_waiting<'a>(report: &'a StatsReport, worker: &WorkerReport) -> Vec<&'a str> {
    let by_worker = |name: &str| {
        let port = report.ports.iter().find(|port| port.name == name);
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
    let mut table = Table::new(&[
        ("PORT", Left),
        ("ROLE", Left),
        ("STATE", Left),
        ("MODE", Left),
        ("DRIVER", Left),
        ("INDEX", Right),
        ("MTU", Right),
        ("QUEUES", Right),
        ("GSO", Left),
    ]);
    for port in &list.ports {
        let driver: String = port.driver.chars().take(8).collect();
        table.row(vec![
            port.name.clone(),
            port.role.to_string(),
            paint.paint(Tone::of_state(port.state), port.state.name()),
            port.mode.name().to_owned(),
            if driver.is_empty() { "-".to_owned() } else { driver },
            port.ifindex.to_string(),
            port.mtu.to_string(),
            port.queues.to_string(),
            if port.superframes { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let mut text = table.render();
    if list.ports.is_empty() {
        text.push_str("(no ports yet)\n");
    }
    text += &express(&list.ports);
    let ports = list.ports.iter();
    text + &problems(ports.map(|port| (port.name.as_str(), port.problem.as_deref())))
}

/// How the gate can hand frames to the ports itself: who is reached in which way, and why not in a
/// better one.
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
        text += &wrapped(&format!("express: {}", ways.join("; ")), 0, WIDTH);
    }
    for port in ports {
        if let Some(remark) = &port.express_remark {
            let way = port.express.map_or("not express", |_| "not by peer");
            text += &wrapped(&format!("{} {way}: {remark}", port.name), 0, WIDTH);
        }
    }
    let unkept = ports.iter().filter(|port| port.kept == Some(false));
    let unkept: Vec<&str> = unkept.map(|port| port.name.as_str()).collect();
    if !unkept.is_empty() {
        let line = format!("gone with weir, if it is killed: the gate of {}", unkept.join(", "));
        text += &wrapped(&line, 0, WIDTH);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::{express, report, shared};
    use weir_api::{Attached, PortInfo, State, VERSION};
    use weir_core::Role;

    #[test]
    fn totals() {
        let expected = "\
PORT             ROLE    STATE  MODE  RX FRAMES  TX FRAMES   LOST
nic0             uplink  up     gate  1,000,000  1,230,560      0
v1               vif     up     gate  1,234,567  1,000,000  4,007
vnet-0123456789  vif     gone   none         12          0      6

ledger: balanced, 4,013 lost (queue_full 4,000, no_egress 8, port_gone 5)
worker on core 1 (adaptive): busy 12.3 %, idle 87.6 %, back-pressured 0.1 %
pool: 6,100 of 8,192 frames free; known addresses: 3 of 16,384; up 01:02:03
";
        assert_eq!(stats(&report(), Paint::PLAIN), expected);
    }

    #[test]
    fn what_went_by_the_express_lane_is_in_the_totals_and_told_by_lane() {
        let text = stats(&express(), Paint::PLAIN);
        let tables: Vec<&str> = text.split("\n\n").collect();
        let expected = "\
PORT             ROLE    STATE  MODE  RX FRAMES  TX FRAMES   LOST
nic0             uplink  up     gate  1,000,000  1,430,560      0
v1               vif     up     gate  1,534,567  1,000,000  4,007
vnet-0123456789  vif     gone   none         12    100,000      6";
        assert_eq!(tables[0], expected);
        assert!(tables[1].starts_with("LANES ") && tables[1].contains("\nv1 "), "{text}");
        let expected = "\
ledger: balanced, 2,530,560 delivered (300,000 by the express lane), 4,013 lost
(queue_full 4,000, no_egress 8, port_gone 5)
";
        assert!(tables[2].starts_with(expected), "{text}");
    }

    #[test]
    fn contended_links_and_containers_are_shown_between_the_ports_and_the_sums() {
        let text = stats(&shared(), Paint::PLAIN);
        let tables: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(tables.len(), 4, "{text}");
        assert!(tables[1].starts_with("LINK / FROM ") && tables[1].contains("\nnic0 "), "{text}");
        assert!(tables[2].starts_with("CONTAINERS FROM "), "{text}");
        assert!(tables[3].starts_with("ledger: "), "{text}");
    }

    #[test]
    fn the_greatest_numbers_still_fit() {
        let mut report = report();
        for port in &mut report.ports {
            (port.rx.frames, port.tx.frames) = (u64::MAX, u64::MAX);
            port.losses = [("queue_full".to_owned(), u64::MAX)].into();
        }
        report.ledger.lost_by_reason = weir_core::Reason::ALL
            .iter()
            .map(|reason| (reason.name().to_owned(), u64::MAX))
            .collect();
        let text = stats(&report, Paint::PLAIN);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("18.4E"), "{text}");
    }

    #[test]
    fn ports() {
        let nic = PortInfo {
            name: "enp0s31f6np0v15".into(),
            role: Role::Uplink,
            state: State::Stopped,
            problem: None,
            mode: Attached::Native,
            driver: "mlx5_core_and_more".into(),
            ifindex: 12_345,
            mtu: 65_535,
            queues: 16,
            superframes: false,
            express: None,
            express_remark: None,
            kept: None,
        };
        let veth = PortInfo {
            name: "v1".into(),
            role: Role::Vif,
            state: State::Failed,
            problem: Some("bind: another program holds queue 0".into()),
            mode: Attached::None,
            driver: String::new(),
            ifindex: 7,
            mtu: 1500,
            queues: 1,
            superframes: true,
            express: None,
            express_remark: None,
            kept: None,
        };
        let list = PortList { version: VERSION, ports: vec![nic, veth] };
        let expected = "\
PORT             ROLE    STATE    MODE    DRIVER    INDEX    MTU  QUEUES  GSO
enp0s31f6np0v15  uplink  stopped  native  mlx5_cor  12345  65535      16  no
v1               vif     failed   none    -             7   1500       1  yes
v1: bind: another program holds queue 0
";
        assert_eq!(port_list(&list, Paint::PLAIN), expected);
        assert!(expected.lines().all(|line| line.len() <= WIDTH));
        assert!(port_list(&PortList::default(), Paint::PLAIN).ends_with("(no ports yet)\n"));
    }

    #[test]
    fn ways_to_the_ports_are_shown_under_them() {
        let port = |name: &str, express, remark: Option<&str>| PortInfo {
            name: name.into(),
            role: Role::Vif,
            state: State::Up,
            problem: None,
            mode: Attached::Gate,
            driver: "veth".into(),
            ifindex: 7,
            mtu: 1500,
            queues: 0,
            superframes: true,
            express,
            express_remark: remark.map(str::to_owned),
            kept: Some(name != "tap5"),
        };
        let (peer, redirect) = (Some(Express::Peer), Some(Express::Redirect));
        let ports = vec![
            port("v1", peer, None),
            port("v2", redirect, Some("its other end has a native XDP program")),
            port("v3", peer, None),
            port("v4", None, Some("its interface has not answered yet")),
            port("tap5", redirect, None),
        ];
        let text = port_list(&PortList { version: VERSION, ports }, Paint::PLAIN);
        let expected = "\
express: peer v1, v3; redirect v2, tap5
v2 not by peer: its other end has a native XDP program
v4 not express: its interface has not answered yet
gone with weir, if it is killed: the gate of tap5
";
        assert_eq!(text.lines().skip(6).collect::<Vec<_>>().join("\n") + "\n", expected);
    }
}
