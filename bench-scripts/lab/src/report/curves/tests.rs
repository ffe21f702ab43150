//! Made-up results as curves.

use super::*;
use crate::report::tests::fake;

fn named(ours: &Ours) -> Vec<&str> {
    ours.plot.curves.iter().map(|curve| curve.name.as_str()).collect()
}

fn of(text: &str, quick: bool) -> (Experiment, Ours) {
    let experiment: Experiment = toml::from_str(text).unwrap();
    let results = fake::results(&experiment, quick);
    let ours = ours(&experiment, Some(&results), &experiment.figure[0]);
    (experiment, ours)
}

#[test]
fn a_line_is_a_curve_for_each_of_its_peers() {
    let (_, ours) = of(fake::SAMPLE, false);
    assert_eq!(named(&ours), ["weir, VM 1", "Linux bridge, VM 1", "weir, VM 2"]);
    assert_eq!(ours.plot.xs(), [25.0, 40.0]);
    let point = &ours.plot.curves[0].points[0];
    let (low, high) = point.spread.unwrap();
    assert!(low < point.y && point.y < high);
    assert_eq!(ours.plot.curves[2].look.turn, 1, "weir's second line");
}

#[test]
fn what_was_not_measured_is_told() {
    let (_, ours) = of(fake::SAMPLE, true);
    assert_eq!(named(&ours), ["weir, VM 1", "weir, VM 2"]);
    assert_eq!(ours.missing, ["Linux bridge, VM 1"]);
    assert_eq!(ours.plot.curves[0].points[0].spread, None, "of one repetition");
}

#[test]
fn one_peer_and_one_line_need_no_more_than_its_name() {
    let line = "peers = [\"weir\", \"bridge\"] },\n    { quantity = \"both.vm2.mbit\", name = \"VM 2\", peers = [\"weir\"] }";
    let alone = fake::SAMPLE.replace(line, "peers = [\"weir\"] }");
    assert_eq!(named(&of(&alone, false).1), ["VM 1"]);
    let as_axis = fake::SAMPLE
        .replace(line, "peers = [\"weir\", \"bridge\"] }")
        .replace("name = \"VM 1\"", "name = \"throughput\"");
    assert_eq!(named(&of(&as_axis, false).1), ["weir", "Linux bridge"]);
}

#[test]
fn a_divisor_is_of_the_same_repetition() {
    let text = fake::SAMPLE.replace(
        "name = \"VM 1\", peers = [\"weir\", \"bridge\"]",
        "name = \"VM 1\", peers = [\"weir\", \"bridge\"], over = { peer = \"weir\" }",
    );
    let (_, ours) = of(&text, false);
    for point in &ours.plot.curves[0].points {
        assert_eq!((point.y, point.number), (1.0, 1.0), "weir over weir");
    }
    assert!(ours.plot.curves[1].points.iter().all(|point| point.y != 1.0));
    let without_rates =
        text.replace("over = { peer = \"weir\" }", "over = { quantity = \"both.vm9.mbit\" }");
    assert_eq!(of(&without_rates, false).1.missing, ["weir, VM 1", "Linux bridge, VM 1"]);
}

#[test]
fn without_a_varied_quantity_lines_stand_side_by_side() {
    let text =
        fake::SAMPLE.replace("[vary]\nname = \"cap\"\nunit = \"Mb/s\"\nvalues = [25, 40]\n", "");
    let (_, ours) = of(&text.replace("values = [40]", ""), false);
    assert_eq!(ours.plot.draw, Draw::Bars);
    assert_eq!(ours.plot.labels.as_deref().unwrap(), ["VM 1", "VM 2"]);
    assert_eq!(named(&ours), ["weir", "Linux bridge"]);
    let places: Vec<_> = ours.plot.curves[0].points.iter().map(|point| point.x).collect();
    assert_eq!(places, [0.0, 1.0]);
}

#[test]
fn a_crowd_over_time_has_a_plot_for_each_variant() {
    let variants =
        "[[variant]]\nname = \"a\"\n[[variant]]\nname = \"b\"\ntitle = \"the other\"\n[[check]]";
    let figure = "y = { name = \"throughput\", unit = \"Mb/s\" }\nline = [";
    let text = fake::SAMPLE
        .replacen("[[check]]", variants, 1)
        .replacen(figure, &format!("draw = \"time\"\n{figure}{{ quantity = \"vm9.mbit\", name = \"VM 9\", peers = [\"bridge\"] }},"), 1);
    let (_, ours) = of(&text, false);
    let apart = ours.apart;
    let titles: Vec<_> = apart.iter().map(|plot| plot.title.as_str()).collect();
    assert_eq!(titles, ["a", "the other"]);
    assert_eq!(apart[0].curves.len(), 4);
    assert_eq!(apart[0].span(), apart[1].span());
    assert_eq!(ours.at, Some(40.0));
}
