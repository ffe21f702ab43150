//! Scenarios whose result tables are committed: a change of behaviour shows as a changed table. To rewrite
//! the tables, run `INSTA_UPDATE=always cargo test -p weir-core --test sim`.

use weir_core::sim::{Fault, Pattern, Report, Scenario, SimPort, Size, Source};
use weir_core::{Rate, Reason, Span};

const MS: u64 = 1_000_000;

fn mbit(n: u64) -> Rate {
    Rate::new(n * 1_000_000)
}

fn source(from: usize, to: usize, bytes: u32, pattern: Pattern) -> Source {
    Source { from, to, size: Size::Fixed(bytes), pattern }
}

/// Runs a scenario and checks what must always hold.
fn run(scenario: &Scenario) -> Report {
    let report = scenario.run();
    assert!(report.is_exact(), "{report}");
    assert_eq!(report.to_string(), scenario.run().to_string(), "not deterministic");
    report
}

#[test]
fn two_vms_and_an_uplink() {
    let ports = vec![SimPort::vif("v1"), SimPort::vif("v2"), SimPort::uplink("up", mbit(200))];
    let cbr = |packets_per_s| Pattern::Cbr { packets_per_s };
    let on_off =
        Pattern::OnOff { packets_per_s: 20_000, on: Span::new(5 * MS), off: Span::new(5 * MS) };
    let sources = vec![
        source(0, 2, 200, cbr(1_000)),
        Source { size: Size::Uniform(64, 1514), ..source(1, 2, 0, on_off) },
        source(0, 1, 1514, cbr(5_000)),
        source(2, 0, 1514, cbr(8_000)),
        source(1, 0, 60, Pattern::Bursts { packets: 3, every: Span::new(20 * MS) }),
    ];
    let report = run(&Scenario::new("two VMs and an uplink", ports, sources));
    assert!(report.lost().is_empty());
    insta::assert_snapshot!(report);
}

#[test]
fn slow_consumer_loses_nothing_that_was_queued() {
    let mut ports = vec![SimPort::vif("v1"), SimPort::vif("v2"), SimPort::vif("v3")];
    ports[0] = SimPort::vif("v1").with(|it| it.queue_bytes = 4 << 20);
    let sources = vec![
        source(0, 1, 200, Pattern::Cbr { packets_per_s: 100_000 }),
        source(0, 2, 200, Pattern::Cbr { packets_per_s: 1_000 }),
    ];
    let mut scenario = Scenario::new("consumer v2 stopped for 150 ms at 100 kpps", ports, sources);
    scenario.span = Span::new(300 * MS);
    scenario.faults =
        vec![Fault::Stalled { port: 1, from: Span::new(50 * MS), to: Span::new(200 * MS) }];
    let report = run(&scenario);
    assert!(report.lost().is_empty());
    insta::assert_snapshot!(report);
}

#[test]
fn faulty_device() {
    let mut ports = vec![SimPort::vif("v1"), SimPort::vif("v2"), SimPort::uplink("up", mbit(50))];
    ports[2].device_drops_ppm = 20_000;
    ports[2].device_packets = 32;
    ports[1].rx_packets = 64;
    let sources = vec![
        source(0, 2, 1000, Pattern::Cbr { packets_per_s: 3_000 }),
        source(1, 2, 1514, Pattern::Bursts { packets: 100, every: Span::new(10 * MS) }),
    ];
    let mut scenario =
        Scenario::new("device drops 2 %, refuses past 32 and stalls for 20 ms", ports, sources);
    scenario.faults =
        vec![Fault::Stalled { port: 2, from: Span::new(30 * MS), to: Span::new(50 * MS) }];
    let report = run(&scenario);
    assert!(report.lost().get(Reason::TxBusy) > 0);
    assert!(report.lost().get(Reason::RxRingFull) > 0);
    insta::assert_snapshot!(report);
}

#[test]
fn port_removed_under_load() {
    let ports = vec![SimPort::vif("v1"), SimPort::vif("v2"), SimPort::uplink("up", mbit(100))];
    let greedy = Pattern::Greedy { packets_per_turn: 2 };
    let sources = vec![
        source(0, 2, 1514, greedy),
        source(1, 2, 1514, greedy),
        source(2, 1, 500, Pattern::Cbr { packets_per_s: 10_000 }),
        source(0, 1, 64, Pattern::Cbr { packets_per_s: 10_000 }),
    ];
    let mut scenario = Scenario::new("v2 goes away for 40 ms under load", ports, sources);
    scenario.faults =
        vec![Fault::Gone { port: 1, from: Span::new(30 * MS), to: Span::new(70 * MS) }];
    let report = run(&scenario);
    assert!(report.lost().get(Reason::PortGone) > 0);
    insta::assert_snapshot!(report);
}

#[test]
fn four_vifs_share_a_link_equally() {
    let mut ports: Vec<_> = ["v1", "v2", "v3", "v4"].into_iter().map(SimPort::vif).collect();
    ports.push(SimPort::uplink("up", mbit(200)));
    // Different sizes and rates, all above their share. The numbers of containers are equal, and one of
    // 1000-byte packets holds 4000 of its 4096 bytes.
    let sources = [(64, 64), (256, 32), (500, 16), (1000, 8)]
        .into_iter()
        .enumerate()
        .map(|(from, (bytes, packets_per_turn))| {
            source(from, 4, bytes, Pattern::Greedy { packets_per_turn })
        })
        .collect();
    let mut scenario = Scenario::new("four vifs on a 200 Mbit link", ports, sources);
    scenario.span = Span::new(200 * MS);
    let report = run(&scenario);
    let shares: Vec<u64> = (0..4).map(|vif| report.row(vif, 4).bytes_in_span).collect();
    let (low, high) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert!((high - low) * 1000 < *high * 25, "shares {shares:?}\n{report}");
    // The link is full: 200 Mbit/s for 200 ms are 5 MB, less what fills the first turn.
    assert!(shares.iter().sum::<u64>() > 4_950_000, "{report}");
    insta::assert_snapshot!(report);
}
