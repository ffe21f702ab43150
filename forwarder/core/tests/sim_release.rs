//! When containers are released, as scenarios (the aggregation experiments): a closed loop pays for every
//! wait, a stream gains from it. The result tables are committed.

use std::fmt::Write as _;

use weir_core::sim::{Pattern, Report, Scenario, SimPort, Size, Source};
use weir_core::{Rate, Release, ReleaseReason, ReleaseSettings, Span};

const MS: u64 = 1_000_000;
const POLICIES: [Release; 3] = [Release::Eager, Release::Fixed, Release::Adaptive];

fn release(policy: Release, work_conserving: bool) -> ReleaseSettings {
    ReleaseSettings { policy, work_conserving, ..ReleaseSettings::default() }
}

fn source(from: usize, to: usize, bytes: u32, pattern: Pattern) -> Source {
    Source { from, to, size: Size::Fixed(bytes), pattern }
}

fn run(scenario: &Scenario) -> Report {
    let report = scenario.run();
    assert!(report.is_exact(), "{report}");
    report
}

fn packets_each(report: &Report, port: usize) -> f64 {
    let counts = &report.containers[port];
    counts.packets as f64 / counts.released.total().max(1) as f64
}

/// Two guests send requests to a server; each waits for its answer before the next request.
fn requests(policy: Release, work_conserving: bool) -> Report {
    let port = |name| SimPort::vif(name).with(|it| it.release = release(policy, work_conserving));
    let ports = vec![port("guest1"), port("guest2"), port("server")];
    let ask = Pattern::Requests { answer: 1000, think: Span::new(20_000) };
    let sources = vec![source(0, 2, 200, ask), source(1, 2, 200, ask)];
    let mut scenario = Scenario::new("requests and responses", ports, sources);
    scenario.span = Span::new(500 * MS);
    run(&scenario)
}

fn answers(report: &Report) -> u64 {
    report.row(2, 0).delivered + report.row(2, 1).delivered
}

#[test]
fn a_closed_loop_is_3_19_times_as_fast_with_the_adaptive_rule() {
    let mut tables = String::new();
    for policy in POLICIES {
        let report = requests(policy, false);
        writeln!(tables, "{policy:?}, {} answers\n{report}\n", answers(&report)).unwrap();
    }
    let [eager, fixed, adaptive] = POLICIES.map(|policy| answers(&requests(policy, false)));
    assert!(adaptive * 100 >= fixed * 319, "{adaptive} against {fixed}\n{tables}");
    assert!(adaptive * 100 >= eager * 98, "{adaptive} against {eager}\n{tables}");
    insta::assert_snapshot!(tables);
}

#[test]
fn on_an_idle_link_work_conserving_containers_never_wait() {
    let [eager, fixed, adaptive] = POLICIES.map(|policy| answers(&requests(policy, true)));
    assert_eq!((fixed, adaptive), (eager, eager));
    let counts = requests(Release::Fixed, true).containers[0].released;
    assert_eq!(counts.get(ReleaseReason::Idle), counts.total());
}

/// A stream after a few single packets.
fn stream(policy: Release, packets_per_s: u64, mbit: u64) -> Report {
    let ports = vec![
        SimPort::vif("v1").with(|it| it.release = release(policy, false)),
        SimPort::shaped("up", Rate::new(mbit * 1_000_000)),
    ];
    let sources = vec![source(0, 1, 500, Pattern::Cbr { packets_per_s })];
    let mut scenario = Scenario::new("a stream", ports, sources);
    scenario.span = Span::new(500 * MS);
    run(&scenario)
}

#[test]
fn a_stream_fills_its_containers_and_waits_less_than_the_timeout() {
    let mut tables = String::new();
    for policy in POLICIES {
        let report = stream(policy, 50_000, 1000);
        writeln!(tables, "{policy:?}\n{report}\n").unwrap();
    }
    let [eager, fixed, adaptive] =
        POLICIES.map(|policy| packets_each(&stream(policy, 50_000, 1000), 0));
    assert!(eager < 1.1 && fixed > 7.9, "{tables}");
    assert!(adaptive > 7.5, "{adaptive}\n{tables}");
    insta::assert_snapshot!(tables);
}

#[test]
fn at_saturation_all_policies_fill_the_link() {
    let mut tables = String::new();
    for policy in POLICIES {
        let report = stream(policy, 100_000, 100);
        // 100 Mbit/s for 500 ms.
        assert!(report.row(0, 1).bytes_in_span * 1000 >= 6_250_000 * 995, "{report}");
        writeln!(tables, "{policy:?}\n{report}\n").unwrap();
    }
    insta::assert_snapshot!(tables);
}

#[test]
fn a_stream_after_requests_is_gathered_again() {
    let ports = vec![
        SimPort::vif("v1").with(|it| it.release = release(Release::Adaptive, false)),
        SimPort::vif("v2"),
    ];
    let rare = Pattern::Cbr { packets_per_s: 2_000 };
    let busy =
        Pattern::OnOff { packets_per_s: 50_000, on: Span::new(200 * MS), off: Span::new(200 * MS) };
    let sources = vec![source(0, 1, 200, rare), source(0, 1, 500, busy)];
    let mut scenario =
        Scenario::new("a stream that comes and goes beside single packets", ports, sources);
    scenario.span = Span::new(2_000 * MS);
    let report = run(&scenario);
    assert!(packets_each(&report, 0) > 2.0, "{report}");
    insta::assert_snapshot!(report);
}
