//! The paper's numbers as curves: in the plot of ours, or in one beside it.
//!
//! Invariant: numbers of other units, or of a scale on which one of both could not be read, are
//! never in one plot.

use super::digits;
use super::look::Look;
use super::plot::{Curve, Plot, Point, same};
use crate::spec::{Axis, Draw, Published};

/// Up to this ratio two scales are read in one plot.
const APART: f64 = 5.0;
/// With a logarithmic axis.
const APART_LOG: f64 = 1000.0;

/// The paper's plot on its own; `None` where no numbers were printed. Axes that it does not give
/// are those of `ours`.
pub(super) fn alone(published: &Published, ours: Option<&Plot>) -> Option<Plot> {
    let curves = curves(published);
    if curves.is_empty() {
        return None;
    }
    let blank = || Axis { name: String::new(), unit: String::new(), log: false, from: None };
    let of_ours = |pick: fn(&Plot) -> &Axis| ours.map_or_else(blank, |plot| pick(plot).clone());
    let x = published.x.clone().unwrap_or_else(|| of_ours(|plot| &plot.x));
    let y = published.y.clone().unwrap_or_else(|| of_ours(|plot| &plot.y));
    let mut plot = Plot::new(Draw::Lines, x, y, curves);
    plot.labels = published.labels.clone();
    match &plot.labels {
        Some(labels) => {
            plot.draw = Draw::Bars;
            let known = labels.len() as f64;
            for curve in &mut plot.curves {
                curve.points.retain(|point| (0.0..known).contains(&point.x));
            }
        }
        None if ours.is_some_and(|ours| ours.draw == Draw::Time) => plot.draw = Draw::Time,
        None if ours.is_some_and(|ours| ours.draw == Draw::Bars) => {
            plot.draw = Draw::Bars;
            let xs = plot.xs();
            for point in plot.curves.iter_mut().flat_map(|curve| &mut curve.points) {
                point.x = xs.iter().position(|x| same(*x, point.x)).unwrap_or_default() as f64;
            }
            plot.labels = Some(xs.into_iter().map(digits::exact).collect());
        }
        None => {}
    }
    Some(plot)
}

fn curves(published: &Published) -> Vec<Curve> {
    let several = published.line.len() > 1;
    published
        .line
        .iter()
        .enumerate()
        .map(|(turn, line)| Curve {
            name: if several || !line.name.is_empty() {
                format!("paper, {}", line.name)
            } else {
                "paper".to_owned()
            },
            look: Look::paper(turn),
            published: true,
            points: line.points.iter().filter_map(|numbers| point(numbers)).collect(),
        })
        .filter(|curve| !curve.points.is_empty())
        .collect()
}

/// `[x, y]`, or `[x, y, low, high]`.
fn point(numbers: &[f64]) -> Option<Point> {
    let (&x, &y) = (numbers.first()?, numbers.get(1)?);
    let spread = numbers.get(2).zip(numbers.get(3)).map(|(low, high)| (*low, *high));
    Some(Point { x, y, spread, number: y })
}

/// Whether the paper's plot fits into ours.
pub(super) fn fits(paper: &Plot, ours: &Plot) -> bool {
    let units = paper.y.unit == ours.y.unit && paper.x.unit == ours.x.unit;
    let ends = |plot: &Plot| (plot.largest(), plot.farthest());
    let (Some(their_y), Some(their_x)) = ends(paper) else { return false };
    let (Some(our_y), Some(our_x)) = ends(ours) else { return false };
    let near =
        |a: f64, b: f64, log: bool| a.max(b) <= a.min(b) * if log { APART_LOG } else { APART };
    let places = ours.xs();
    let among = || paper.xs().iter().all(|x| places.iter().any(|place| same(*place, *x)));
    let along = ours.labels.is_some() || near(their_x.abs(), our_x.abs(), ours.x.log) || among();
    paper.draw == ours.draw && units && along && near(their_y, our_y, ours.y.log)
}

/// Gives plots side by side the same horizontal axis, where that leaves both readable.
pub(super) fn align(a: &mut Plot, b: &mut Plot) {
    let both =
        a.draw == Draw::Lines && b.draw == Draw::Lines && a.labels.is_none() && b.labels.is_none();
    let (Some(far), Some(near)) = (a.farthest(), b.farthest()) else { return };
    let (small, large) = (far.abs().min(near.abs()), far.abs().max(near.abs()));
    let log = a.x.log && b.x.log;
    if both && a.x.unit == b.x.unit && large <= small * if log { APART_LOG } else { APART } {
        a.beside_x.extend(b.xs());
        b.beside_x.extend(a.xs());
    }
}

/// Puts the paper's curves into ours.
pub(super) fn join(paper: Plot, ours: &mut Plot) {
    let mut taken = ours.curves.iter().filter(|curve| curve.published).count();
    for mut curve in paper.curves {
        if let (Some(theirs), Some(labels)) = (&paper.labels, &mut ours.labels) {
            for point in &mut curve.points {
                let Some(label) = theirs.get(point.x as usize) else { continue };
                let place = labels.iter().position(|known| known.eq_ignore_ascii_case(label));
                point.x = place.unwrap_or_else(|| {
                    labels.push(label.clone());
                    labels.len() - 1
                }) as f64;
            }
        }
        curve.look = Look::paper(taken);
        taken += 1;
        ours.curves.push(curve);
    }
    sort(ours);
}

/// Labels that are numbers stand in their order, whoever brought them.
fn sort(plot: &mut Plot) {
    let Some(labels) = &plot.labels else { return };
    let Some(values) = labels.iter().map(|label| digits::read(label)).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    for curve in &mut plot.curves {
        for point in &mut curve.points {
            let place = order.iter().position(|from| *from == point.x as usize);
            point.x = place.unwrap_or_default() as f64;
        }
        curve.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    plot.labels = Some(order.iter().map(|from| labels[*from].clone()).collect());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::curves::ours;
    use crate::report::fake;
    use crate::report::look::Looks;
    use crate::spec::Experiment;

    /// Ours of the sample's figure, and Table 1 as the paper printed it.
    fn both(change: impl Fn(&mut Experiment)) -> (Plot, Plot) {
        let mut experiment = fake::sample();
        change(&mut experiment);
        let results = fake::results(&experiment, false);
        let looks = Looks::of(&experiment);
        let ours = ours(&experiment, Some(&results), &experiment.figure[0], &looks).plot;
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
        assert_eq!(paper.labels.as_deref().unwrap(), ["25", "30", "40"]);
        join(paper, &mut ours);
        assert_eq!(ours.labels.as_deref().unwrap(), ["25", "30", "40"]);
        let places = |curve: &Curve| curve.points.iter().map(|point| point.x).collect::<Vec<_>>();
        assert_eq!(places(&ours.curves[0]), [0.0, 2.0]);
        assert_eq!(places(ours.curves.last().unwrap()), [0.0, 1.0, 2.0]);
    }
}
