use super::*;
use crate::report::curves::ours;
use crate::report::tests::fake;
use crate::spec::Experiment;

/// Our plot of the sample's figure, and Table 1 as the paper printed it.
fn both(change: impl Fn(&mut Experiment)) -> (Plot, Plot) {
    let mut experiment = fake::sample();
    change(&mut experiment);
    let results = fake::results(&experiment, false);
    let ours = ours(&experiment, Some(&results), &experiment.figure[0]).plot;
    let paper = alone(&experiment.published[1], Some(&ours)).unwrap();
    (paper, ours)
}

#[test]
fn the_same_units_on_a_similar_scale_are_one_plot() {
    let (paper, mut ours) = both(|_| {});
    assert!(fits(&paper, &ours));
    join(paper, &mut ours);
    let last = ours.curves.last().unwrap();
    assert_eq!((last.name.as_str(), last.look), ("paper, VM 1", Look::paper(0)));
    assert_eq!(last.points[1].spread, Some((29.0, 33.0)));
}

#[test]
fn others_stand_beside() {
    let (paper, ours) = both(|experiment| experiment.figure[0].y.unit = "kpps".to_owned());
    assert!(fits(&paper, &ours), "the paper's axes are ours where it gives none");
    let other = |unit: &str| Axis {
        name: "rate".to_owned(),
        unit: unit.to_owned(),
        log: false,
        from: None,
    };
    let (paper, ours) = both(|experiment| experiment.published[1].y = Some(other("KB/s")));
    assert!(!fits(&paper, &ours));
    let grow = |experiment: &mut Experiment, factor: f64| {
        for point in &mut experiment.published[1].line[0].points {
            point.truncate(2);
            point[1] *= factor;
        }
    };
    let (paper, ours) = both(|experiment| grow(experiment, 10.0));
    assert!(!fits(&paper, &ours));
    let (paper, ours) = both(|experiment| {
        experiment.figure[0].y.log = true;
        grow(experiment, 10.0);
    });
    assert!(fits(&paper, &ours), "a logarithmic axis shows both");
}

#[test]
fn a_single_number_at_a_place_of_ours_needs_no_plot_of_its_own() {
    let (mut paper, mut ours) = both(|_| {});
    for curve in &mut ours.curves {
        curve.points[0].x = 1.0;
    }
    for curve in &mut paper.curves {
        curve.points.truncate(1);
        curve.points[0].x = 1.0;
    }
    assert!(fits(&paper, &ours));
    paper.curves[0].points[0].x = 2.0;
    assert!(!fits(&paper, &ours));
}

#[test]
fn side_by_side_they_have_the_same_horizontal_axis() {
    let (mut paper, mut ours) = both(|experiment| {
        for point in &mut experiment.published[1].line[0].points {
            point[0] += 10.0;
        }
    });
    align(&mut ours, &mut paper);
    assert_eq!(ours.shown_xs(), [25.0, 35.0, 40.0, 50.0]);
    assert_eq!(paper.shown_xs(), ours.shown_xs());
    assert_eq!(ours.xs(), [25.0, 40.0]);
}

#[test]
fn groups_of_bars_are_joined_by_their_names() {
    let (paper, mut ours) = both(|experiment| {
        experiment.figure[0].draw = Draw::Bars;
        experiment.published[1].line[0].points.push(vec![30.0, 26.0]);
    });
    join(paper, &mut ours);
    ours.name_bars();
    assert_eq!(ours.labels.as_deref().unwrap(), ["25", "30", "40"]);
    let places = |curve: &Curve| curve.points.iter().map(|point| point.x).collect::<Vec<_>>();
    assert_eq!(places(&ours.curves[0]), [0.0, 2.0]);
    assert_eq!(places(ours.curves.last().unwrap()), [0.0, 2.0, 1.0]);
}
