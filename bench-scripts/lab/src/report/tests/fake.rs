//! Made-up results, for tests of the page only: no number here was measured.

use crate::cell::{Measured, Outcome, Place};
use crate::run::{Machine, Results};
use crate::spec::{Draw, Experiment, Variant};
use crate::verdict::Verdict;

/// A number between 0 and 1 that depends on the words alone.
fn chance(words: &str) -> f64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in words.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    state ^= state >> 29;
    state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (state >> 40) as f64 / (1u64 << 24) as f64
}

fn value(quantity: &str, peer: &str, variant: &str, x: f64, repetition: u32) -> f64 {
    let what = quantity.rsplit('.').next().unwrap_or(quantity);
    let fraction =
        what.starts_with("of_") || what.starts_with("jain") || what == "least" || what == "link";
    let level = chance(&format!("{quantity}{variant}"));
    let other = if peer == "weir" { 0.0 } else { chance(&format!("{peer}{quantity}")) };
    let noise = (chance(&format!("{quantity}{peer}{variant}{x}{repetition}")) - 0.5)
        * if peer == "weir" { 0.01 } else { 0.15 };
    let base = if fraction {
        1.0 - 0.4 * other
    } else if what.ends_with("_us") {
        (120.0 + 300.0 * other) * (1.0 + level)
    } else if x > 0.0 && x < 45.0 && what == "mbit" {
        x * (1.0 - 0.4 * other)
    } else {
        (200.0 + 700.0 * level) * (1.0 - 0.7 * other) * (1.0 + x.max(1.0).ln() / 4.0)
    };
    base * (1.0 + noise)
}

/// Results of every line of every figure.
pub(in crate::report) fn results(experiment: &Experiment, quick: bool) -> Results {
    let effort = experiment.effort(quick);
    let none = [Variant { name: String::new(), title: None, set: Default::default(), peers: None }];
    let variants = if experiment.variant.is_empty() { &none[..] } else { &experiment.variant[..] };
    let xs: Vec<Option<f64>> = match &experiment.vary {
        None => vec![None],
        Some(vary) => {
            effort.values.as_ref().unwrap_or(&vary.values).iter().copied().map(Some).collect()
        }
    };
    let mut measured = Vec::new();
    for repetition in 0..effort.repetitions {
        for variant in variants {
            for x in &xs {
                for peer in &experiment.peer {
                    let here =
                        variant.peers.as_ref().is_none_or(|peers| peers.contains(&peer.name))
                            && effort.peers.as_ref().is_none_or(|peers| peers.contains(&peer.name))
                            && effort
                                .variants
                                .as_ref()
                                .is_none_or(|names| names.contains(&variant.name));
                    if here {
                        let place = Place {
                            experiment: experiment.id.clone(),
                            peer: peer.name.clone(),
                            variant: variant.name.clone(),
                            x: *x,
                            repetition,
                        };
                        measured.push(cell(experiment, place));
                    }
                }
            }
        }
    }
    let verdicts = experiment.check.iter().map(|check| verdict(experiment, check)).collect();
    Results {
        version: 1,
        id: experiment.id.clone(),
        quick,
        seed: 7,
        machine: machine(),
        scale: None,
        file: String::new(),
        measured,
        verdicts,
    }
}

pub(in crate::report) fn machine() -> Machine {
    Machine {
        kernel: "6.9.0-made-up".to_owned(),
        cpu: "made-up numbers for a test".to_owned(),
        cores: 2,
        commit: "0123456789abcdef0123".to_owned(),
        dirty: false,
        date: "2026-01-02T03:04:05Z".to_owned(),
    }
}

fn cell(experiment: &Experiment, place: Place) -> Measured {
    let mut outcome = Outcome::default();
    let at = place.x.unwrap_or(0.0);
    for figure in &experiment.figure {
        for line in &figure.line {
            let of = |salt: u32| value(&line.quantity, &place.peer, &place.variant, at, salt);
            if figure.draw == Draw::Time {
                let series =
                    (0..60).map(|i| (f64::from(i) / 4.0, of(i) * (1.0 + f64::from(i / 20) / 4.0)));
                outcome.series.insert(line.quantity.clone(), series.collect());
            } else {
                outcome.values.insert(line.quantity.clone(), of(place.repetition));
            }
        }
    }
    if place.repetition == 0 && place.peer != "weir" {
        outcome.notes.push("this machine has no counter for <TLB> misses".to_owned());
    }
    Measured { place, outcome, began_unix_s: 0, took_s: 7.5 }
}

fn verdict(experiment: &Experiment, check: &crate::spec::Check) -> Verdict {
    let holds = chance(&format!("{}{}", experiment.id, check.what)) > 0.15;
    let edge = check.least.or(check.most).unwrap_or(1.0);
    let up = check.least.is_some() == holds;
    Verdict {
        what: check.what.clone(),
        holds,
        number: Some(edge * if up { 1.013 } else { 0.987 }),
        least: check.least,
        most: check.most,
        at: format!("{}, made up", check.value.peer),
        report_only: check.report_only,
        ceiling: None,
    }
}

/// A file with one of everything.
pub(in crate::report) const SAMPLE: &str = r#"
id = "A-E1"
title = "Rates & <shares>"
paper = "A"
claim = "two VMs <b>disturb</b> each other"
their-setup = "Two VMs."
our-setup = "The same \"two\" VMs."
scene = {}

[full]
repetitions = 3
seconds = 2

[quick]
repetitions = 1
seconds = 1
values = [40]
peers = ["weir"]

[[peer]]
name = "weir"
kind = "weir"

[[peer]]
name = "bridge"
title = "Linux bridge"
kind = "bridge"

[vary]
name = "cap"
unit = "Mb/s"
values = [25, 40]

[[check]]
what = "each VM gets its cap within 2 %"
value = { quantity = "both.*.of_owed", peer = "weir" }
least = 0.98
most = 1.02
published = 0.8

[[check]]
what = "a bridge | does not"
value = { quantity = "both.*.of_owed", peer = "bridge" }
most = 0.9
report-only = true

[[figure]]
title = "What each VM gets"
y = { name = "throughput", unit = "Mb/s" }
line = [
    { quantity = "both.vm1.mbit", name = "VM 1", peers = ["weir", "bridge"] },
    { quantity = "both.vm2.mbit", name = "VM 2", peers = ["weir"] },
]
published = ["Figure 4", "Table 1"]

[[figure]]
title = "Response times"
draw = "bars"
y = { name = "time", unit = "us" }
line = [{ quantity = "both.ask.p50_us", name = "time", peers = ["weir", "bridge"] }]
full-only = true

[[figure]]
title = "A run"
draw = "time"
y = { name = "throughput", unit = "Mb/s" }
line = [{ quantity = "vm1.mbit", name = "VM 1", peers = ["weir"] }]

[[published]]
figure = "Figure 4"
what = "throughput against the cap"
shape = "Both reach their caps."

[[published]]
figure = "Table 1"
what = "invented for a test"
line = [{ name = "VM 1", points = [[25, 24], [40, 31, 29, 33]] }]

[[published]]
figure = "Table 2"
what = "invented for a test, too"
labels = ["native", "virtual"]
y = { name = "latency", unit = "ms" }
line = [{ name = "", points = [[0, 0.084], [1, 0.147]] }]
"#;

pub(in crate::report) fn sample() -> Experiment {
    toml::from_str(SAMPLE).unwrap()
}
