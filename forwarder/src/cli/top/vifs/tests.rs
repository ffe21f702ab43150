use super::*;
use crate::cli::{
    render::samples::{sent_express, shared},
    top::sample::{Latency, Sample, tests::latency},
};
use weir_api::Queued;

fn cell<'g>(grid: &'g Grid, name: &str, column: &str) -> &'g str {
    let row = grid.rows.iter().find(|row| row.cells[0].text == name).unwrap();
    let at = COLUMNS.iter().position(|known| known.id == column).unwrap();
    assert_eq!(row.cells.len(), COLUMNS.len());
    &row.cells[at].text
}

fn samples() -> (Sample, Sample) {
    let before = Sample { stats: shared(), ..Sample::default() };
    let mut after = before.clone();
    after.stats.uptime_ns += 2_000_000_000;
    let v1 = &mut after.stats.ports[1];
    (v1.rx.bytes, v1.rx.frames) = (v1.rx.bytes + 25_000_000, v1.rx.frames + 20_000);
    v1.links[0].bytes += 7_500_000;
    after.stats.ports[2].links[0].bytes += 2_500_000;
    (before, after)
}

#[test]
fn a_share_stands_beside_what_was_promised() {
    let (before, after) = samples();
    let grid = grid(&Span::new(Some(&before), &after));
    let v1 = |column| cell(&grid, "v1", column).to_owned();
    assert_eq!((v1("rx"), v1("frames")), ("100M".into(), "10.0k".into()));
    // 4 of 5 by weight; max is more than the whole link.
    assert_eq!((v1("share"), v1("due"), v1("link")), ("75%".into(), "80%".into(), "nic0".into()));
    assert_eq!((v1("queue"), v1("shed")), ("12.3k".into(), "shed".into()));
    assert_eq!((v1("weight"), v1("min"), v1("max")), ("4".into(), "20.0M".into(), "500M".into()));
    assert_eq!(cell(&grid, "vnet-0123456789", "due"), "20%");
    assert_eq!(cell(&grid, "vnet-0123456789", "state"), "gone");
    assert_eq!(cell(&grid, "nic0", "share"), "-", "it sent nothing in these two seconds");
}

#[test]
fn the_express_part_is_of_the_last_interval_and_in_the_rates() {
    let (before, mut after) = samples();
    let v1 = &mut after.stats.ports[1];
    // In addition to the workers' traffic: 25 MB.
    v1.lanes.scheduled.bytes += 25_000_000;
    sent_express(v1, 74_000);
    v1.lanes.bridge.bytes += 1_000_000;
    let grid = grid(&Span::new(Some(&before), &after));
    assert_eq!(cell(&grid, "v1", "express"), "74%");
    // 25 MB and 74 MB in two seconds, without the bridge's.
    assert_eq!((cell(&grid, "v1", "rx"), cell(&grid, "v1", "frames")), ("396M", "47.0k"));
    assert_eq!(cell(&grid, "nic0", "express"), "-", "it sent nothing");
}

#[test]
fn minimum_and_maximum_bound_what_is_due() {
    let (before, mut after) = samples();
    after.stats.ports[1].promise.max_rate_bps = 50_000_000;
    after.stats.ports[2].promise.min_rate_bps = 120_000_000;
    let grid = grid(&Span::new(Some(&before), &after));
    assert_eq!(cell(&grid, "v1", "due"), "25%");
    assert_eq!(cell(&grid, "vnet-0123456789", "due"), "60%");
}

#[test]
fn the_hardest_link_is_the_one_shown() {
    let (before, mut after) = samples();
    let v2 = &mut after.stats.ports[2];
    v2.links[1].queued = Queued { packets: 1, bytes: 5 };
    let grid = grid(&Span::new(Some(&before), &after));
    assert_eq!(cell(&grid, "vnet-0123456789", "link"), "v1");
    assert_eq!(cell(&grid, "vnet-0123456789", "queue"), "5");
}

#[test]
fn times_are_those_of_the_last_interval() {
    let (mut before, mut after) = samples();
    let dash = |grid: &Grid| cell(grid, "v1", "p99").to_owned();
    assert_eq!(dash(&grid(&Span::new(Some(&before), &after))), "-");
    after.latency = Measured::Off;
    assert_eq!(dash(&grid(&Span::new(Some(&before), &after))), "-");
    before.latency = Measured::On(Latency::of(&latency("v1", 7, &[(1_000, 1000)])));
    after.latency = Measured::On(Latency::of(&latency("v1", 7, &[(1_000, 1000), (50_000, 10)])));
    let grid = grid(&Span::new(Some(&before), &after));
    assert!(cell(&grid, "v1", "p50").starts_with("50."), "{}", cell(&grid, "v1", "p50"));
    assert_eq!(cell(&grid, "nic0", "p50"), "-");
}

#[test]
fn without_a_sample_before_there_are_no_rates() {
    let (before, after) = samples();
    let first = grid(&Span::new(None, &after));
    assert_eq!((cell(&first, "v1", "rx"), cell(&first, "v1", "lost")), ("-", "-"));
    assert_eq!(cell(&first, "v1", "express"), "-");
    assert_eq!(cell(&first, "v1", "share"), "76%", "of all that was sent");
    let restarted = grid(&Span::new(Some(&after), &before));
    assert_eq!(cell(&restarted, "v1", "rx"), "-");
}
