use std::time::Instant;

use super::*;
use crate::scene::cast::Way;

const TEXT: &str = "
    vms = 3
    link = 100
    vm = [{ number = 1, max = 40 }, { number = 3, max = 40 }]
    traffic = [
        { kind = 'flood', from = 'vm1', to = 'uplink', frame = 1000 },
        { kind = 'flood', from = 'vm2', to = 'uplink', frame = 1000, mbit = 20, name = 'light' },
        { kind = 'tcp', from = 'vm3', to = 'uplink', start = 1 },
    ]
    window = [{ name = 'one', from = 0, to = 1 }, { name = 'all', from = 1, to = 2 }]
    slice = 0.5";

fn way(traffic: usize, number: u8) -> Way {
    let place = |name: String| (name, "eth0".to_owned());
    Way {
        from: place(format!("v{number}")),
        to: place("up".to_owned()),
        number,
        who: Some(format!("vm{number}")),
        over_link: true,
        traffic,
    }
}

fn tallied(origin: Instant, seconds: f64, mbytes: [f64; 3]) -> Tallied {
    let count = |mbytes: f64| Count {
        frames: 0,
        bytes: (mbytes * 1e6) as u64,
        segments: (mbytes * 1e3) as u64,
    };
    let at = origin + Duration::from_secs_f64(seconds);
    Tallied { at, counts: mbytes.map(count).to_vec() }
}

fn told(who: &str, frames: u64) -> Told {
    let offered =
        ["one", "all"].map(|window| ((window.to_owned(), who.to_owned()), (frames, frames * 1000)));
    Told { offered: offered.into(), ..Told::default() }
}

/// VM 1 gets 10 MB in each window, unevenly in the second; VM 2 2.5 MB in the first and 2 MB in the
/// second; VM 3 begins with the second and gets 5 MB.
fn outcome(text: &str, ways: Vec<Way>, change: impl FnOnce(&mut Book<'_>)) -> Outcome {
    let scene: Scene = toml::from_str(text).unwrap();
    let origin = Instant::now();
    let (cast, timeline) = (Cast::by(&scene, ways), Timeline::new(&scene, origin));
    let reading = |seconds, mbytes| Reading {
        rates: tallied(origin, seconds, mbytes),
        senders: Vec::new(),
        cpu: Cpu::now(None).unwrap(),
        events: [("syscalls", (seconds * 34e3) as u64)].into(),
        releases: [("full".to_owned(), (seconds * 30.0) as u64), ("idle".to_owned(), 7)].into(),
        resent: Some((seconds * 10.0) as u64),
    };
    let between = reading(1.0, [10.0, 2.5, 0.0]);
    let windows =
        vec![(reading(0.0, [0.0; 3]), between.clone()), (between, reading(2.0, [20.0, 4.5, 5.0]))];
    let mut book = Book {
        scene: &scene,
        cast: &cast,
        timeline: &timeline,
        has_worker: true,
        windows,
        slices: vec![
            tallied(origin, 0.0, [0.0; 3]),
            tallied(origin, 0.5, [5.0, 1.25, 0.0]),
            tallied(origin, 1.0, [10.0, 2.5, 0.0]),
            tallied(origin, 1.5, [12.0, 3.5, 2.5]),
            tallied(origin, 2.0, [20.0, 4.5, 5.0]),
        ],
        told: vec![told("vm1", 20_000), told("vm2", 2500), Told::default()],
    };
    change(&mut book);
    book.outcome()
}

fn ways() -> Vec<Way> {
    vec![way(0, 1), way(1, 2), way(2, 3)]
}

/// Times and processors depend on the machine.
fn shown(outcome: &Outcome) -> String {
    let lines = outcome.values.iter().filter(|(name, _)| !name.contains(".cpu."));
    lines.map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn rates_shares_and_losses_of_windows() {
    insta::assert_snapshot!(shown(&outcome(TEXT, ways(), |_| {})));
}

#[test]
fn series_have_a_point_for_each_slice() {
    let outcome = outcome(TEXT, ways(), |_| {});
    let of = |name: &str| outcome.series.get(name).unwrap().clone();
    assert_eq!(of("vm1.mbit"), [(0.25, 80.0), (0.75, 80.0), (1.25, 32.0), (1.75, 128.0)]);
    assert_eq!(of("vm3.mbit"), [(0.25, 0.0), (0.75, 0.0), (1.25, 40.0), (1.75, 40.0)]);
    assert_eq!(of("all.mbit")[3], (1.75, 184.0));
}

#[test]
fn what_comes_together_counts_for_all_only() {
    let together = |traffic, who: &str| Way { who: Some(who.to_owned()), ..way(traffic, 1) };
    let mut ways = vec![together(0, "vm1"), together(1, "vm2")];
    ways.extend([way(2, 7), way(2, 8)].map(|way| Way { who: None, ..way }));
    let outcome = outcome(TEXT, ways, |_| {});
    assert_eq!(outcome.values.get("one.all.mbit"), Some(&80.0));
    assert!(!outcome.values.contains_key("one.vm1.mbit"), "{outcome:#?}");
    assert_eq!(outcome.notes.len(), 1);
}

#[test]
fn what_senders_say_goes_first_and_goodput_adds_up() {
    let outcome = outcome(TEXT, ways(), |book| {
        book.told[1].values.insert("one.light.loss".to_owned(), 0.5);
        for told in &mut book.told {
            told.goodput_mbit = vec![("all".to_owned(), "vm3".to_owned(), 3.0)];
            told.notes = vec!["the same".to_owned()];
        }
    });
    assert_eq!(outcome.values.get("one.light.loss"), Some(&0.5));
    assert_eq!(outcome.values.get("all.vm3.goodput_mbit"), Some(&9.0));
    assert_eq!(outcome.values.get("all.all.goodput_mbit"), Some(&9.0));
    assert_eq!(outcome.notes, ["the same"]);
}

#[test]
fn a_packets_cost_is_left_out_beside_a_load() {
    let load = "\nload = [{ what = 'burn', at = 'vm1', start = 1, stop = 2 }]";
    let outcome = outcome(&format!("{TEXT}{load}"), ways(), |_| {});
    for (name, there) in [
        ("one.cpu.us_per_packet", true),
        ("one.cpu.beyond", true),
        ("all.cpu.us_per_packet", false),
        ("all.cpu.beyond", false),
        ("all.cpu.worker", true),
        ("all.cpu.senders", true),
    ] {
        assert_eq!(outcome.values.contains_key(name), there, "{name}: {outcome:#?}");
    }
}

#[test]
fn who_waits_for_answers_asks_for_what_he_gets() {
    let text = TEXT.replace("kind = 'tcp'", "kind = 'ask', size = 100");
    let outcome = outcome(&text, ways(), |_| {});
    assert_eq!(outcome.values.get("all.vm3.owed_mbit"), Some(&40.0));
    assert_eq!(outcome.values.get("all.vm3.of_owed"), Some(&1.0));
}
