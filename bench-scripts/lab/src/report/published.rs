//! The paper's numbers as curves: in our plot, or in one beside it.
//!
//! Invariant: one plot never mixes numbers of different units, or of scales at which one of both would
//! be unreadable.

use super::digits;
use super::look::Look;
use super::plot::{Curve, Plot, Point, same};
use crate::spec::{Axis, Draw, Published};

/// Up to this ratio, two scales are readable in one plot.
const APART: f64 = 5.0;
/// With a logarithmic axis.
const APART_LOG: f64 = 1000.0;

/// The paper's plot on its own; `None` if no numbers were printed. Missing axes are taken from `ours`.
pub(super) fn alone(published: &Published, ours: Option<&Plot>) -> Option<Plot> {
    let curves = curves(published);
    if curves.is_empty() {
        return None;
    }
    let of_ours = |pick: fn(&Plot) -> &Axis| ours.map(pick).cloned().unwrap_or_default();
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
            plot.name_values();
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

/// Gives plots side by side the same horizontal axis, if both stay readable.
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

/// Sorts labels that are numbers.
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
mod tests;
