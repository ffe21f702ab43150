use super::*;
use crate::cli::render::{
    WIDTH,
    samples::{losses, port, report},
};
use weir_core::Role;

fn later(report: &StatsReport) -> StatsReport {
    let mut after = report.clone();
    after.uptime_ns += 2_000_000_000;
    after.worker[0].regimes = Regimes::of(123 + 500, 876 + 480, 1 + 20);
    after.ports[0].tx.frames += 2_469_134;
    after.ports[0].tx.bytes += 2_469_134_000;
    after.ports[1].rx.frames += 2_469_534;
    after.ports[1].rx.bytes += 2_469_534_000;
    after.ports[1].losses.insert("queue_full".to_owned(), 4_400);
    after
}

#[test]
fn rates_between_two_reports() {
    let before = report();
    let expected = "\
weir, up 01:02:05: 3 ports, 7 frames in flight, ledger balanced
PORT             STATE   RX PPS  RX BIT/S   TX PPS  TX BIT/S   LOST/S    LOST
nic0             up           0         0    1.23M     9.87G        0       0
v1               up       1.23M     9.87G        0         0      200   4.40k
vnet-0123456789  gone         0         0        0         0        0       6
all                       1.23M     9.87G    1.23M     9.87G      200   4.41k
worker on core 1 (adaptive): busy 50.0 %, idle 48.0 %, back-pressured 2.0 %
";
    assert_eq!(watch(&before, &later(&before), Some(23), Paint::PLAIN), expected);
}

#[test]
fn a_worker_that_is_the_limit_is_named_with_those_who_wait_for_it() {
    let mut report = crate::cli::render::samples::shared();
    assert_eq!(limits(&report).count(), 0);
    report.worker[0].limited.now_permille = 630;
    let nic0 = report.ports.iter_mut().find(|port| port.name == "nic0").unwrap();
    (nic0.promise.worker, nic0.promise.rate_bps) = (1, 0);
    let text: String = limits(&report).collect();
    assert!(text.starts_with("the worker on core 1 is the limit 63.0 % of the time"), "{text}");
    assert!(text.replace('\n', " ").contains("shed for it: v1; more workers"), "{text}");
}

#[test]
fn a_restarted_weir_counts_from_its_start() {
    let before = report();
    let mut after = report();
    after.uptime_ns = 1_000_000_000;
    after.ports = vec![port("v9", Role::Vif, 500, 0)];
    let text = watch(&before, &after, None, Paint::PLAIN);
    assert!(text.starts_with("weir, up 00:00:01, restarted: 1 ports,"), "{text}");
    assert!(text.contains("\nv9               up         500     4.00M"), "{text}");
}

#[test]
fn a_port_that_came_again_has_no_absurd_rate() {
    let (old, new) = (port("v1", Role::Vif, 1000, 1000), port("v1", Role::Vif, 10, 10));
    assert_eq!(Rates::between(Some(&old), &new, 1_000_000_000), Rates::default());
    assert_eq!(Rates::between(Some(&new), &old, 0), Rates::default(), "no time, no rate");
}

#[test]
fn many_ports_fit_80_by_24_and_the_busiest_are_shown() {
    let before = report();
    let mut after = later(&before);
    for i in 0..100 {
        after.ports.push(port(&format!("tap-{i:010}"), Role::Vif, i, 2_000_000_000));
    }
    after.ports[50].rx.bytes = u64::MAX / 8;
    after.ports[51].losses = losses(&[("shed", u64::MAX / 4)]);
    let text = watch(&before, &after, Some(23), Paint::PLAIN);
    assert_eq!(text.lines().count(), 23, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    assert!(text.contains("(85 quieter ports are not shown)"), "{text}");
    assert!(
        text.contains(&format!("{}   up          23     9.22E", after.ports[50].name)),
        "{text}"
    );
    assert_eq!(watch(&before, &after, None, Paint::PLAIN).lines().count(), 103 + 4);
}
