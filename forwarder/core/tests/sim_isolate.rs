//! Isolation, as scenarios whose result tables are committed: each vif gets its promise, whatever other vif
//! floods. To rewrite the tables, run `INSTA_UPDATE=always cargo test -p weir-core --test sim_isolate`.

use weir_core::sim::{Change, Fault, Pattern, Report, Scenario, SimPort, Size, Source};
use weir_core::{Policy, PortSettings, Rate, Reason, SchedulerSettings, Span};

const MS: u64 = 1_000_000;
/// More than any link here takes.
const FLOOD: Pattern = Pattern::Greedy { packets_per_turn: 2 };

fn mbit(n: u64) -> Rate {
    Rate::new(n * 1_000_000)
}

fn source(from: usize, to: usize, bytes: u32, pattern: Pattern) -> Source {
    Source { from, to, size: Size::Fixed(bytes), pattern }
}

fn scheduler(policy: Policy) -> SchedulerSettings {
    SchedulerSettings { policy, ..SchedulerSettings::default() }
}

fn scenario(name: &'static str, ports: Vec<SimPort>, sources: Vec<Source>) -> Scenario {
    Scenario { span: Span::new(1_000 * MS), ..Scenario::new(name, ports, sources) }
}

/// Runs a scenario and checks what must always hold.
fn run(scenario: &Scenario) -> Report {
    let report = scenario.run();
    assert!(report.is_exact(), "{report}");
    report
}

/// Checks that only packets over a bound were lost, and none after it was accepted.
fn only_refused(report: &Report) {
    for (reason, _) in report.lost().iter() {
        assert!(matches!(reason, Reason::QueueFull | Reason::Shed), "{report}");
    }
}

/// Checks that every share in every phase is what the oracle gives, to thousandths of the link.
fn shares_hold(report: &Report, permille: u64) {
    for phase in &report.phases {
        for share in &phase.shares {
            let off = share.got_bps.abs_diff(share.due_bps);
            assert!(off * 1000 <= share.link.bits_per_s * permille, "{share:?}\n{report}");
        }
    }
}

#[test]
fn weights_and_a_minimum_share_a_link() {
    let ports = vec![
        SimPort::vif("v1").with(|it| it.share.weight = 1),
        SimPort::vif("v2").with(|it| it.share.weight = 2),
        SimPort::vif("v3").with(|it| it.share.weight = 5),
        SimPort::vif("v4")
            .with(|it| it.share.weight = 1)
            .with(|it| it.share.min_rate = Some(mbit(40))),
        SimPort::shaped("up", mbit(100)),
    ];
    let sources = (0..4).map(|vif| source(vif, 4, 1458, FLOOD)).collect();
    let report = run(&scenario("weights 1:2:5, and 40 Mbit for v4", ports, sources));
    shares_hold(&report, 5);
    only_refused(&report);
    insta::assert_snapshot!(report);
}

fn small_against_large(policy: Policy) -> Report {
    let ports =
        vec![SimPort::vif("small"), SimPort::vif("large"), SimPort::shaped("up", mbit(100))];
    let sources =
        vec![source(0, 2, 64, Pattern::Greedy { packets_per_turn: 8 }), source(1, 2, 1458, FLOOD)];
    let mut scenario = scenario("64 bytes against 1458 bytes", ports, sources);
    scenario.scheduler = scheduler(policy);
    run(&scenario)
}

#[test]
fn small_packets_get_as_many_bytes_as_large_ones() {
    let report = small_against_large(Policy::Drr);
    shares_hold(&report, 5);
    insta::assert_snapshot!(report);
}

#[test]
fn by_packets_the_large_ones_get_more() {
    let report = small_against_large(Policy::Wrr);
    let (small, large) = (report.row(0, 2), report.row(1, 2));
    let (n, m) = (small.bytes_in_span / 64, large.bytes_in_span / 1458);
    assert!(n.abs_diff(m) * 100 <= n, "as many packets each: {n} and {m}\n{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn priorities_turn_from_30_to_1_into_1_to_30() {
    let weights = [(30, 1), (15, 1), (5, 1), (2, 1), (1, 1), (1, 2), (1, 5), (1, 15), (1, 30)];
    let ports = vec![
        SimPort::vif("v1").with(|it| it.share.weight = 30),
        SimPort::vif("v2").with(|it| it.share.weight = 1),
        SimPort::shaped("up", mbit(100)),
    ];
    let steps = weights.iter().enumerate().skip(1).flat_map(|(nth, (one, two))| {
        let at = Span::new(nth as u64 * 500 * MS);
        let port = |port, weight| {
            Change::Port(port, SimPort::vif("").with(|it| it.share.weight = weight).settings)
        };
        [(at, port(0, *one)), (at, port(1, *two))]
    });
    let sources = (0..2).map(|vif| source(vif, 2, 1458, FLOOD)).collect();
    let mut scenario = scenario("priorities from 30:1 to 1:30", ports.clone(), sources);
    scenario.span = Span::new(weights.len() as u64 * 500 * MS);
    scenario.turn = Span::new(20_000);
    scenario.steps = steps.collect();
    let report = run(&scenario);
    assert_eq!(report.phases.len(), weights.len());
    shares_hold(&report, 5);
    only_refused(&report);
    insta::assert_snapshot!(report);
}

fn polite_beside_floods(name: &'static str, policy: Policy) -> Report {
    let mut ports: Vec<_> =
        ["polite", "flood1", "flood2", "flood3"].into_iter().map(SimPort::vif).collect();
    ports.push(SimPort::shaped("up", mbit(200)));
    // Its rate is in step neither with the turns nor with the containers, so it meets the link in every
    // state.
    let mut sources = vec![source(0, 4, 200, Pattern::Cbr { packets_per_s: 997 })];
    sources.extend((1..4).map(|vif| source(vif, 4, 1458, FLOOD)));
    let mut scenario = scenario(name, ports, sources);
    scenario.scheduler = scheduler(policy);
    run(&scenario)
}

#[test]
fn floods_do_not_touch_a_polite_vif() {
    let report = polite_beside_floods("997 packets/s beside three floods", Policy::Drr);
    let polite = report.row(0, 4);
    assert_eq!((polite.offered, polite.delivered), (997, 997), "{report}");
    // The time of a container of 4 KiB on the link, and a turn: nothing more is ever ahead of it.
    assert!(polite.wait_max_ns <= mbit(200).time_ns(4096) + 20_000, "{report}");
    shares_hold(&report, 5);
    insta::assert_snapshot!(report);
}

#[test]
fn in_order_of_arrival_everybody_waits_for_the_floods() {
    let report = polite_beside_floods("the same, first come first served", Policy::Fifo);
    assert!(report.row(0, 4).wait_max_ns > 50 * MS, "{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn caps_hold_over_all_links_together() {
    let ports = vec![
        SimPort::vif("v1").with(|it| it.share.max_rate = Some(mbit(30))),
        SimPort::vif("v2").with(|it| it.share.max_rate = Some(mbit(40))),
        SimPort::vif("v3"),
        SimPort::shaped("up", mbit(100)),
        SimPort::shaped("side", mbit(50)),
    ];
    let sources = vec![
        source(0, 3, 1458, FLOOD),
        source(1, 3, 1458, FLOOD),
        source(2, 3, 1458, FLOOD),
        source(1, 4, 1458, FLOOD),
    ];
    let scenario = scenario("v1 at most 30, v2 at most 40 Mbit over both links", ports, sources);
    let report = run(&scenario);
    for (vif, max) in [(0, 30), (1, 40)] {
        let bytes = report.row(vif, 3).bytes_in_span + report.row(vif, 4).bytes_in_span;
        let allowed = max * 1_000_000 / 8;
        assert!(bytes <= allowed + (64 << 10), "{bytes}\n{report}");
        assert!(bytes * 1000 >= allowed * 995, "{bytes}\n{report}");
    }
    for link in [3, 4] {
        let part = report.row(1, link).bytes_in_span;
        assert!(part * 4 >= 5_000_000, "neither link takes all of v2's cap\n{report}");
    }
    let sum: u64 = (0..3).map(|vif| report.row(vif, 3).bytes_in_span).sum();
    assert!(sum * 1000 >= 12_500_000 * 995, "what v2 leaves is v3's\n{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn who_pauses_saves_nothing_up() {
    let ports = vec![
        SimPort::vif("steady"),
        SimPort::vif("on-off").with(|it| it.share.weight = 3),
        SimPort::shaped("up", mbit(100)),
    ];
    let on_off =
        Pattern::OnOff { packets_per_s: 20_000, on: Span::new(20 * MS), off: Span::new(60 * MS) };
    let sources = vec![source(0, 2, 1458, FLOOD), source(1, 2, 1458, on_off)];
    let report = run(&scenario("one pauses three quarters of the time", ports, sources));
    let sum: u64 = (0..2).map(|vif| report.row(vif, 2).bytes_in_span).sum();
    assert!(sum * 1000 >= 12_500_000 * 995, "the link is full\n{report}");
    // While on, it sends 233 Mbit/s and gets 75 of 100. Its backlog is sent in the pauses.
    insta::assert_snapshot!(report);
}

#[test]
fn policies_change_live_without_loss_or_reordering() {
    let ports = vec![
        SimPort::vif("v1").with(|it| it.share.weight = 4),
        SimPort::vif("v2").with(|it| it.share.max_rate = Some(mbit(45))),
        SimPort::vif("v3").with(|it| it.share.min_rate = Some(mbit(10))),
        SimPort::shaped("up", mbit(100)),
    ];
    let bursts = |packets, every_ms| Pattern::Bursts { packets, every: Span::new(every_ms * MS) };
    let sources = vec![
        source(0, 3, 1458, bursts(100, 35)),
        source(1, 3, 700, bursts(200, 30)),
        source(2, 3, 64, Pattern::Cbr { packets_per_s: 20_000 }),
    ];
    // Some bursts are longer than a phase: this test checks losses and order, not shares.
    let mut scenario = scenario("the policy changes every 50 ms", ports, sources);
    scenario.span = Span::new(400 * MS);
    let policies = [Policy::Fifo, Policy::Wrr, Policy::Drr];
    scenario.steps = (1..8)
        .map(|nth| {
            let change = Change::Scheduler(scheduler(policies[nth % 3]));
            (Span::new(nth as u64 * 50 * MS), change)
        })
        .collect();
    let report = run(&scenario);
    assert!(report.lost().is_empty(), "{report}");
    assert_eq!(report.phases.len(), 8);
    insta::assert_snapshot!(report);
}

#[test]
fn a_stalled_device_loses_nothing_that_was_queued() {
    let ports = vec![SimPort::vif("v1"), SimPort::vif("v2"), SimPort::vif("v3")];
    let sources = vec![
        source(0, 1, 200, Pattern::Cbr { packets_per_s: 100_000 }),
        source(2, 1, 200, Pattern::Cbr { packets_per_s: 1_000 }),
        source(0, 2, 200, Pattern::Cbr { packets_per_s: 1_000 }),
    ];
    let mut scenario = scenario("v2 stalls for 200 ms at 100000 packets/s", ports, sources);
    scenario.span = Span::new(400 * MS);
    scenario.faults =
        vec![Fault::Stalled { port: 1, from: Span::new(50 * MS), to: Span::new(250 * MS) }];
    let report = run(&scenario);
    only_refused(&report);
    let stalled = report.row(0, 1);
    assert_eq!(stalled.delivered + stalled.losses.total(), stalled.offered);
    assert!(stalled.losses.get(Reason::Shed) > 100 * stalled.losses.get(Reason::QueueFull));
    for polite in [report.row(2, 1), report.row(0, 2)] {
        assert!(polite.losses.is_empty(), "{report}");
    }
    insta::assert_snapshot!(report);
}

#[test]
fn superframes_do_not_hold_a_slow_link() {
    let ports = vec![SimPort::vif("polite"), SimPort::vif("tcp"), SimPort::shaped("up", mbit(50))];
    let sources = vec![
        source(0, 2, 200, Pattern::Cbr { packets_per_s: 997 }),
        source(1, 2, 65_000, Pattern::Cbr { packets_per_s: 120 }),
    ];
    let report = run(&scenario("64 kB superframes beside 997 packets/s", ports, sources));
    let polite = report.row(0, 2);
    assert_eq!(polite.delivered, 997);
    assert!(polite.wait_max_ns <= mbit(50).time_ns(4096) + 20_000, "{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn the_same_scenario_gives_the_same_table() {
    let of = || polite_beside_floods("again", Policy::Drr).to_string();
    assert_eq!(of(), of());
}

/// A port's settings can be changed while it is gone, and have no effect then.
#[test]
fn a_port_that_returns_has_the_settings_it_was_added_with() {
    let ports = vec![SimPort::vif("v1"), SimPort::vif("v2"), SimPort::shaped("up", mbit(100))];
    let sources = (0..2).map(|vif| source(vif, 2, 1458, FLOOD)).collect();
    let mut scenario = scenario("v1 is away while its weight changes", ports, sources);
    scenario.faults =
        vec![Fault::Gone { port: 0, from: Span::new(200 * MS), to: Span::new(400 * MS) }];
    let heavy: PortSettings = SimPort::vif("v1").with(|it| it.share.weight = 9).settings;
    scenario.steps =
        [100, 300, 500].map(|ms| (Span::new(ms * MS), Change::Port(0, heavy))).to_vec();
    scenario.span = Span::new(900 * MS);
    let report = run(&scenario);
    let got = |phase: usize, vif| report.phases[phase].share(vif, 2).map_or(0, |it| it.got_bps);
    assert!(got(0, 0).abs_diff(got(0, 1)) < 2_000_000, "{report}");
    assert!(got(3, 0) > 8 * got(3, 1), "{report}");
}
