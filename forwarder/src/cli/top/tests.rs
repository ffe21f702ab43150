//! The whole picture, in windows of several sizes. Invariant: a terminal of that size shows exactly
//! this.

use std::time::Duration;

use ratatui::{
    Terminal, backend::TestBackend, buffer::Buffer, crossterm::event::KeyCode, style::Color,
};

use super::{
    declared,
    flows::tests::{flow, sample as with_flows},
    links::tests::rated,
    model::Span,
    sample::{Latency, Measured, Sample, tests::latency},
    state::{
        State,
        tests::{enter, press},
    },
    view::{Picture, draw},
};
use crate::cli::{
    args::View,
    render::samples::{sent_express, shared},
};
use weir_api::Regimes;

/// Two seconds in which v1 flooded the uplink.
fn samples() -> (Sample, Sample) {
    let mut before = Sample { stats: shared(), ..Sample::default() };
    let times = |more| Latency::of(&latency("v1", 7, &[(1_000, 1_000), (12_300, more)]));
    before.latency = Measured::On(times(0));
    let mut after = before.clone();
    after.stats.uptime_ns += 2_000_000_000;
    after.stats.worker[0].regimes = Regimes::of(123 + 500, 876 + 480, 1 + 20);
    let ports = after.stats.ports.as_mut_slice();
    ports[0].tx.bytes += 50_000_000;
    ports[0].tx.frames += 41_000;
    ports[1].lanes.scheduled.bytes += 45_000_000;
    ports[1].rx.bytes += 45_000_000;
    ports[1].rx.frames += 35_000;
    sent_express(&mut ports[1], 15_000);
    ports[1].losses.insert("queue_full".to_owned(), 4_400);
    ports[1].links[0].bytes += 40_000_000;
    ports[2].links[0].bytes += 10_000_000;
    after.stats.ledger.lost_by_reason.insert("queue_full".to_owned(), 4_400);
    after.stats.ledger.lost += 400;
    after.latency = Measured::On(times(500));
    let flows = |more: u64| {
        vec![
            flow("v1", "10.7.0.1", 40_000, 1_000_000 + more),
            flow("v1", "2001:db8:1234:5678:9abc:def0:1234:5678", 443, 700_000),
        ]
    };
    before.flows = with_flows(1_000_000_000, flows(0)).flows;
    after.flows = with_flows(3_000_000_000, flows(25_000_000)).flows;
    rated(&mut before, &mut after);
    (before, after)
}

fn state(view: View) -> State {
    State::new(view, Duration::from_secs(1))
}

fn buffer(state: &State, gone: Option<&str>, colour: bool, size: (u16, u16)) -> Buffer {
    let (before, after) = samples();
    let span = Span::new(Some(&before), &after);
    let mut grid = (declared(state.view).grid)(&span);
    grid.arrange(&state.filter, state.order());
    let picture = Picture { span, grid: &grid, state, gone, colour };
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, &picture)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let symbols: Vec<&str> = buffer.content.iter().map(|cell| cell.symbol()).collect();
    let lines = symbols.chunks(width).map(|line| line.concat().trim_end().to_owned() + "\n");
    lines.collect()
}

fn picture(state: &State, size: (u16, u16)) -> String {
    text(&buffer(state, None, true, size))
}

#[test]
fn vifs_in_80_by_24() {
    insta::assert_snapshot!(picture(&state(View::Vifs), (80, 24)));
}

#[test]
fn vifs_in_120_by_40() {
    insta::assert_snapshot!(picture(&state(View::Vifs), (120, 40)));
}

#[test]
fn vifs_in_40_by_10() {
    insta::assert_snapshot!(picture(&state(View::Vifs), (40, 10)));
}

#[test]
fn flows_in_80_by_24() {
    insta::assert_snapshot!(picture(&state(View::Flows), (80, 24)));
}

#[test]
fn flows_in_120_by_40() {
    insta::assert_snapshot!(picture(&state(View::Flows), (120, 40)));
}

#[test]
fn flows_in_40_by_10() {
    insta::assert_snapshot!(picture(&state(View::Flows), (40, 10)));
}

#[test]
fn losses_in_80_by_24() {
    insta::assert_snapshot!(picture(&state(View::Losses), (80, 24)));
}

#[test]
fn links_in_80_by_24() {
    insta::assert_snapshot!(picture(&state(View::Links), (80, 24)));
}

#[test]
fn links_in_40_by_10() {
    insta::assert_snapshot!(picture(&state(View::Links), (40, 10)));
}

#[test]
fn the_help_in_80_by_24() {
    let mut state = state(View::Vifs);
    press(&mut state, KeyCode::Char('?'));
    insta::assert_snapshot!(picture(&state, (80, 24)));
}

#[test]
fn what_is_special_is_said_above_the_table() {
    let mut state = state(View::Vifs);
    state.sort_by("p99").unwrap();
    enter(&mut state, "r /v1");
    let text = picture(&state, (80, 24));
    assert!(text.contains("held  only \"v1\""), "{text}");
    assert!(text.contains("P99^") && !text.contains("nic0"), "{text}");
    assert!(text.contains("\n/v1_   Enter keeps it"), "{text}");
    enter(&mut state, "x");
    assert!(picture(&state, (80, 24)).contains("(nothing with \"v1x\" in it)"));
}

#[test]
fn what_is_not_measured_is_said() {
    let (before, mut after) = samples();
    let said = |after: &Sample| {
        let [_, second] = Span::new(Some(&before), after).header();
        second.into_iter().map(|(text, _)| text).collect::<Vec<_>>().join(", ")
    };
    assert!(!said(&after).contains("latency"));
    after.latency = Measured::Off;
    assert!(said(&after).contains("latency is off"), "{}", said(&after));
    after.latency = Measured::Unavailable("refused".to_owned());
    assert!(said(&after).contains("no latency"), "{}", said(&after));
}

#[test]
fn a_weir_that_is_gone_is_waited_for() {
    let state = state(View::Vifs);
    let why = "no weir is running here";
    let shown = text(&buffer(&state, Some(why), true, (80, 24)));
    assert!(shown.starts_with("weir is gone, waiting...  no weir is running here\n"), "{shown}");
    assert!(shown.contains("\nv1 "), "the last picture stays: {shown}");
}

#[test]
fn colour_only_where_it_is_wanted() {
    let state = state(View::Vifs);
    let colours = |colour| {
        let buffer = buffer(&state, None, colour, (80, 24));
        buffer.content.iter().filter(|cell| cell.fg != Color::Reset).count()
    };
    assert!(colours(true) > 0);
    assert_eq!(colours(false), 0);
}

#[test]
fn every_size_has_a_picture() {
    for view in [View::Vifs, View::Flows, View::Losses, View::Links] {
        for help in [false, true] {
            let mut state = state(view);
            state.help = help;
            for width in (1..10).chain([39, 79, 200]) {
                for height in (1..12).chain([100]) {
                    let shown = picture(&state, (width, height));
                    assert_eq!(shown.lines().count(), usize::from(height), "{shown}");
                }
            }
        }
    }
}
