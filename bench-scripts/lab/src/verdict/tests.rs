//! Verdicts of a small experiment of two values and two variants.

use super::*;
use proptest::prelude::*;

const FILE: &str = r#"
id = "A-E1"
title = "t"
paper = "A"
claim = "c"
their-setup = "s"
our-setup = "s"
full = { repetitions = 3, seconds = 10 }
quick = { repetitions = 1, seconds = 2, values = [40], peers = ["weir"] }
peer = [{ name = "weir", kind = "weir" }, { name = "bridge", kind = "bridge" }]
vary = { name = "cap", unit = "Mb/s", values = [30, 40] }

[scene]
vms = 2
link = "$x * 2"
window = [{ name = "alone", from = 0, to = 1 }, { name = "both", from = 1, to = 2 }]

[[check]]
"#;

const VARIANTS: &str = r#"
[[variant]]
name = "v4"
[[variant]]
name = "v6"
"#;

fn with(check: &str) -> Experiment {
    toml::from_str(&format!("{FILE}what = \"so it is\"\n{check}")).unwrap()
}

/// All cells of an effort; `value` gives the measurement of a place.
fn measure(
    experiment: &Experiment,
    quick: bool,
    values: impl Fn(&Place) -> Vec<(&'static str, f64)>,
) -> Vec<Measured> {
    let measured = |place: Place| {
        let named = values(&place).into_iter().map(|(name, value)| (name.to_owned(), value));
        let outcome = Outcome { values: named.collect::<BTreeMap<_, _>>(), ..Outcome::default() };
        Measured { place, outcome, began_unix_s: 0, took_s: 1.0 }
    };
    experiment.places(quick).into_iter().map(measured).collect()
}

fn first(experiment: &Experiment, measured: &[Measured], quick: bool) -> Verdict {
    judge_all(experiment, measured, quick).remove(0)
}

const EACH: &str = r#"
value = { quantity = "both.*.of_owed", peer = "weir" }
least = 0.98
most = 1.02
"#;

#[test]
fn the_furthest_on_the_wrong_side_decides() {
    let experiment = with(EACH);
    let mut measured = measure(&experiment, false, |place| {
        let second = if place.x == Some(40.0) { 0.9 } else { 1.01 };
        vec![("both.vm1.of_owed", 1.0), ("both.vm2.of_owed", second), ("both.all.of_owed", 0.0)]
    });
    let verdict = first(&experiment, &measured, false);
    assert_eq!((verdict.holds, verdict.number), (false, Some(0.9)));
    assert_eq!(verdict.at, "weir, 40 Mb/s, vm2");

    for one in &mut measured {
        one.outcome.values.insert("both.vm2.of_owed".to_owned(), 1.01);
    }
    let verdict = first(&experiment, &measured, false);
    assert_eq!((verdict.holds, verdict.number), (true, Some(1.01)));
    assert_eq!(verdict.at, "weir, 30 Mb/s, vm2");
}

#[test]
fn the_median_of_repetitions_counts() {
    let experiment = with(EACH);
    let of = |place: &Place| [0.5, 0.99, 1.2][place.repetition as usize];
    let measured = measure(&experiment, false, |place| vec![("both.vm1.of_owed", of(place))]);
    let verdict = first(&experiment, &measured, false);
    assert_eq!((verdict.holds, verdict.number), (true, Some(0.99)));
}

#[test]
fn ratios_are_taken_within_a_repetition() {
    let experiment = with(
        r#"value = { quantity = "both.vm1.mbit", peer = "weir" }
        over = { quantity = "both.vm1.mbit", peer = "bridge", x = 30 }
        least = 1.9
        most = 2.1"#,
    );
    // The machine's speed changes from repetition to repetition: medians' ratio would be 3.
    let measured = measure(&experiment, false, |place| {
        let speed = [1.0, 3.0, 10.0][place.repetition as usize];
        let odd = if place.peer == "bridge" && place.repetition == 1 { 0.5 } else { 1.0 };
        let weir = if place.peer == "weir" { 2.0 } else { 1.0 };
        vec![("both.vm1.mbit", speed * weir * odd)]
    });
    let verdict = first(&experiment, &measured, false);
    assert_eq!((verdict.holds, verdict.number), (true, Some(2.0)));
    assert_eq!(verdict.at, "weir, 30 Mb/s");
}

#[test]
fn a_star_means_the_same_on_both_sides() {
    let experiment = with(
        r#"value = { quantity = "both.*.mbit", peer = "weir" }
        over = { quantity = "alone.*.mbit", peer = "weir" }
        squeeze = "most"
        most = 1.0"#,
    );
    let measured = measure(&experiment, false, |_| {
        vec![
            ("alone.vm1.mbit", 10.0),
            ("alone.vm2.mbit", 20.0),
            ("both.vm1.mbit", 9.0),
            ("both.vm2.mbit", 19.0),
        ]
    });
    let verdict = first(&experiment, &measured, false);
    assert_eq!((verdict.holds, verdict.number), (true, Some(0.95)));
    assert_eq!(verdict.at, "weir, 30 Mb/s, vm2");
}

#[test]
fn what_both_have_in_common_is_taken_from_both() {
    let experiment = with(
        r#"value = { quantity = "both.cpu.total", peer = "weir" }
        over = { quantity = "both.cpu.total", peer = "bridge" }
        less = { quantity = "alone.cpu.total", peer = "bridge" }
        most = 0.5"#,
    );
    let measured = measure(&experiment, false, |place| {
        let all = if place.peer == "weir" { 2.5 } else { 3.0 };
        vec![("both.cpu.total", all), ("alone.cpu.total", 2.0)]
    });
    let verdict = first(&experiment, &measured, false);
    assert_eq!((verdict.holds, verdict.number), (true, Some(0.5)));
}

#[test]
fn a_machine_on_which_nothing_could_hold_judges_nothing() {
    let experiment = with(
        r#"value = { quantity = "both.vm1.kpps", peer = "weir" }
        over = { quantity = "both.vm1.kpps", peer = "bridge" }
        ceiling = { quantity = "alone.vm1.kpps", peer = "bridge" }
        least = 1.35"#,
    );
    let judged = |weir: f64, alone: f64| {
        let measured = measure(&experiment, false, |place| {
            let all = if place.peer == "weir" { weir } else { 100.0 };
            vec![("both.vm1.kpps", all), ("alone.vm1.kpps", alone)]
        });
        first(&experiment, &measured, false)
    };
    let verdict = judged(117.0, 131.0);
    assert_eq!((verdict.holds, verdict.fails(), verdict.is_judged()), (false, false, false));
    assert_eq!((verdict.number, verdict.ceiling), (Some(1.17), Some(1.31)));
    assert!(verdict.line().starts_with("unjudged 1.17 at least 1.35"), "{}", verdict.line());
    // If one value could hold and another could not, the first is judged.
    let measured = measure(&experiment, false, |place| {
        let low = place.x == Some(30.0);
        let all = if place.peer == "bridge" {
            100.0
        } else if low {
            117.0
        } else {
            132.0
        };
        vec![("both.vm1.kpps", all), ("alone.vm1.kpps", if low { 131.0 } else { 138.0 })]
    });
    let verdict = first(&experiment, &measured, false);
    assert_eq!((verdict.fails(), verdict.number, verdict.ceiling), (true, Some(1.32), None));
    assert_eq!(verdict.at, "weir, 40 Mb/s");
    // It could hold, and does not; or it does.
    assert!(judged(117.0, 140.0).fails());
    let verdict = judged(136.0, 131.0);
    assert_eq!((verdict.holds, verdict.ceiling), (true, None));
}

#[test]
fn one_number_of_all() {
    for (squeeze, number, at) in [
        ("least", 2.0, "weir, 30 Mb/s, vm1"),
        ("most", 8.0, "weir, 40 Mb/s, vm2"),
        ("median", 4.0, "weir, 4 together"),
    ] {
        let experiment = with(&format!(
            "value = {{ quantity = 'both.*.mbit', peer = 'weir' }}\nleast = 0\nsqueeze = '{squeeze}'"
        ));
        let measured = measure(&experiment, false, |place| {
            let scale = if place.x == Some(30.0) { 1.0 } else { 2.0 };
            vec![("both.vm1.mbit", 2.0 * scale), ("both.vm2.mbit", 4.0 * scale)]
        });
        let verdict = first(&experiment, &measured, false);
        assert_eq!((verdict.number, verdict.at.as_str()), (Some(number), at), "{squeeze}");
    }
}

#[test]
fn what_is_over_nothing_is_endless() {
    let experiment = with(
        r#"value = { quantity = "both.vm2.mbit", peer = "weir", x = 40 }
        over = { quantity = "both.vm1.mbit", peer = "weir" }
        least = 2"#,
    );
    let starved = |_: &Place| vec![("both.vm1.mbit", 0.0), ("both.vm2.mbit", 4.0)];
    let verdict = first(&experiment, &measure(&experiment, false, starved), false);
    assert!(verdict.holds && verdict.line().starts_with("holds    endless at least 2  so it is"));
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);

    let none = |_: &Place| vec![("both.vm1.mbit", 0.0), ("both.vm2.mbit", 0.0)];
    let verdict = first(&experiment, &measure(&experiment, false, none), false);
    assert_eq!((verdict.holds, verdict.number), (false, None));
}

#[test]
fn what_was_not_measured_fails() {
    let experiment = with(EACH);
    let full = || measure(&experiment, false, |_| vec![("both.vm1.of_owed", 1.0)]);
    let told = |measured: &[Measured]| {
        let verdict = first(&experiment, measured, false);
        assert_eq!((verdict.holds, verdict.number), (false, None));
        verdict.at
    };
    let weirs = |measured: &Measured| measured.place.peer == "weir";
    let mut lost = full();
    lost.retain(|one| !weirs(one) || one.place.x != Some(40.0) || one.place.repetition != 1);
    let mut bare = full();
    bare.iter_mut().filter(|one| one.place.x == Some(30.0)).for_each(|one| {
        one.outcome.values.clear();
    });
    let mut partial = full();
    partial[0].outcome.values.insert("both.vm2.of_owed".to_owned(), 1.0);
    assert!(weirs(&partial[0]));
    let all = [told(&[]), told(&lost), told(&bare), told(&partial)];
    insta::assert_snapshot!(all.join("\n"), @r"
    weir, 30 Mb/s, repetition 1: not measured
    weir, 40 Mb/s, repetition 2: not measured
    weir, 30 Mb/s, repetition 1: no both.*.of_owed
    weir, 30 Mb/s: both.vm2.of_owed in some repetitions only
    ");
}

#[test]
fn a_missing_divisor_fails() {
    let experiment = with(
        r#"value = { quantity = "both.vm1.mbit", peer = "weir" }
        over = { quantity = "alone.vm1.mbit", peer = "bridge" }
        least = 1"#,
    );
    let told = |values: fn(&Place) -> Vec<(&'static str, f64)>| {
        let verdict = first(&experiment, &measure(&experiment, false, values), false);
        assert!(!verdict.holds);
        verdict.at
    };
    let all = [
        told(|_| vec![("both.vm1.mbit", 1.0)]),
        told(|_| vec![("both.vm1.mbit", 0.0), ("alone.vm1.mbit", 0.0)]),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    bridge, 30 Mb/s, repetition 1: no alone.vm1.mbit
    bridge, 30 Mb/s, repetition 1: nothing over alone.vm1.mbit, which is 0
    ");
}

#[test]
fn a_quick_run_judges_what_it_measures() {
    let beside = r#"
        [[check]]
        what = "beside the bridge"
        value = { quantity = "both.vm1.mbit", peer = "weir" }
        over = { quantity = "both.vm1.mbit", peer = "bridge" }
        least = 1
        [[check]]
        what = "at 30"
        value = { quantity = "both.vm1.mbit", peer = "weir", x = 30 }
        least = 1
    "#;
    let experiment = with(&format!("{EACH}quick-least = 0.5\n{beside}"));
    let measured = measure(&experiment, true, |_| vec![("both.vm1.of_owed", 0.7)]);
    let verdicts = judge_all(&experiment, &measured, true);
    assert_eq!(verdicts.len(), 1);
    assert_eq!((verdicts[0].least, verdicts[0].most), (Some(0.5), Some(1.02)));
    assert!(verdicts[0].holds);
    assert_eq!(judge_all(&experiment, &measured, false).len(), 3);
}

#[test]
fn variants_are_picked_one_or_all() {
    let check = r#"value = { quantity = "both.vm1.mbit", peer = "weir", variant = "v6" }
        over = { quantity = "both.vm1.mbit", peer = "weir", variant = "v4" }
        least = 0.97"#;
    let experiment = with(&format!("{check}{VARIANTS}"));
    let value = |place: &Place| if place.variant == "v6" { 99.0 } else { 100.0 };
    let measured = measure(&experiment, false, |place| vec![("both.vm1.mbit", value(place))]);
    let verdict = first(&experiment, &measured, false);
    assert_eq!((verdict.holds, verdict.number), (true, Some(0.99)));
    assert_eq!(verdict.at, "weir, v6, 30 Mb/s");
}

fn verdict(number: Option<f64>, least: Option<f64>, most: Option<f64>) -> Verdict {
    Verdict {
        what: "each VM gets its cap within 2 %".to_owned(),
        holds: number.is_some_and(|number| Bounds { least, most }.room(number) >= 0.0),
        number,
        least,
        most,
        at: "weir, 40 Mb/s".to_owned(),
        report_only: false,
        ceiling: None,
    }
}

#[test]
fn lines() {
    let long = "a VM's throughput beside the other, which sends all it can from five seconds on, \
                is within 2 % of its throughput alone";
    let all = [
        verdict(Some(0.9981), Some(0.98), Some(1.02)),
        verdict(Some(0.97996), Some(0.98), Some(1.02)),
        verdict(Some(1.0), Some(0.98), None),
        verdict(Some(1234.56), None, Some(1000.0)),
        verdict(None, Some(0.98), None),
        Verdict { report_only: true, ..verdict(Some(0.71), None, Some(0.9)) },
        Verdict { report_only: true, ..verdict(Some(0.99), None, Some(0.9)) },
        Verdict { what: long.to_owned(), ..verdict(Some(17.25), Some(0.98), Some(1.02)) },
    ];
    insta::assert_snapshot!(all.map(|verdict| verdict.line()).join("\n"), @r"
    holds    0.998 in 0.98..1.02  each VM gets its cap within 2 % (weir, 40 Mb/s)
    FAILS    0.97996 in 0.98..1.02  each VM gets its cap within 2 % (weir, 40 Mb/s)
    holds    1 at least 0.98  each VM gets its cap within 2 % (weir, 40 Mb/s)
    FAILS    1235 at most 1000  each VM gets its cap within 2 % (weir, 40 Mb/s)
    FAILS    not measured, at least 0.98  each VM gets its cap within 2 % (weir, 40 Mb/s)
    seen     0.71 at most 0.9  each VM gets its cap within 2 % (weir, 40 Mb/s)
    unseen   0.99 at most 0.9  each VM gets its cap within 2 % (weir, 40 Mb/s)
    FAILS    17.25 in 0.98..1.02  a VM's throughput beside the other, which sends all it can from five
             seconds on, is within 2 % of its throughput alone (weir, 40 Mb/s)
    ");
}

proptest! {
    #[test]
    fn a_line_is_not_too_long(what in "([a-z]{1,12} ){0,40}", number in -1e12..1e12f64) {
        let line = Verdict { what, ..verdict(Some(number), Some(0.98), Some(1.02)) }.line();
        prop_assert!(line.lines().all(|line| line.chars().count() <= 100), "{line}");
    }

    #[test]
    fn a_number_is_shown_on_its_side(off in -1e-3..1e-3f64, bound in 0.1..2000.0f64) {
        let judged = verdict(Some(bound + off), Some(bound), None);
        let line = judged.line();
        let shown: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        prop_assert_eq!(shown >= bound, judged.holds, "{}", line);
    }

    #[test]
    fn one_bad_number_is_enough(good in prop::collection::vec(0.98..1.02f64, 0..6), bad in 1.03..9.0f64) {
        let found = |number: f64| Found { number, ceiling: None, at: Vec::new() };
        let mut all: Vec<Found> = good.into_iter().map(found).collect();
        all.push(found(bad));
        let bounds = Bounds { least: Some(0.98), most: Some(1.02) };
        prop_assert_eq!(squeeze(&all, Squeeze::Each, bounds), Ok(found(bad)));
    }
}
