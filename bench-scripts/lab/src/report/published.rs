//! The paper's numbers as curves: in our plot, or in one beside it.
//!
//! Invariant: one plot never mixes numbers of different units, or of scales at which one of both would
//! be unreadable.

use super::look::Look;
use super::plot::{Curve, Plot, Point, place_of};
use crate::cell::same;
use crate::spec::{Axis, Draw, Published};

/// Up to this ratio, two scales are readable in one plot.
const APART: f64 = 5.0;
/// With a logarithmic axis.
const APART_LOG: f64 = 1000.0;

/// The paper's plot on its own; `None` if no numbers were printed. Missing axes are taken from `ours`.
pub(super) fn alone(published: &Published, ours: Option<&Plot>) -> Option<Plot> {
    let mut curves = curves(published);
    if curves.is_empty() {
        return None;
    }
    let of_ours = |pick: fn(&Plot) -> &Axis| ours.map(pick).cloned().unwrap_or_default();
    let x = published.x.clone().unwrap_or_else(|| of_ours(|plot| &plot.x));
    let y = published.y.clone().unwrap_or_else(|| of_ours(|plot| &plot.y));
    let mut draw = ours.map_or(Draw::Lines, |plot| plot.draw);
    if let Some(labels) = &published.labels {
        draw = Draw::Bars;
        let known = labels.len() as f64;
        for curve in &mut curves {
            curve.points.retain(|point| (0.0..known).contains(&point.x));
        }
    }
    let labels = published.labels.clone();
    Some(Plot { draw, x, y, labels, curves, ..Plot::default() })
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
    let places = ours.xs();
    let among = || paper.xs().iter().all(|x| places.iter().any(|place| same(*place, *x)));
    let along = ours.draw == Draw::Bars || near(their_x.abs(), our_x.abs(), ours.x.log) || among();
    paper.draw == ours.draw && units && along && near(their_y, our_y, ours.y.log)
}

/// Whether both are readable along one axis.
fn near(a: f64, b: f64, log: bool) -> bool {
    a.max(b) <= a.min(b) * if log { APART_LOG } else { APART }
}

/// Gives plots side by side the same horizontal axis, if both stay readable.
pub(super) fn align(a: &mut Plot, b: &mut Plot) {
    let alike = a.draw == Draw::Lines && b.draw == Draw::Lines && a.x.unit == b.x.unit;
    let (Some(far_a), Some(far_b)) = (a.farthest(), b.farthest()) else { return };
    if alike && near(far_a.abs(), far_b.abs(), a.x.log && b.x.log) {
        a.beside_x.extend(b.xs());
        b.beside_x.extend(a.xs());
    }
}

/// Puts the paper's curves into ours.
pub(super) fn join(mut paper: Plot, ours: &mut Plot) {
    if paper.labels.is_some() || ours.labels.is_some() {
        paper.name_bars();
        ours.name_bars();
    }
    let taken = ours.curves.iter().filter(|curve| curve.published).count();
    for (turn, mut curve) in (taken..).zip(paper.curves) {
        if let (Some(theirs), Some(labels)) = (&paper.labels, &mut ours.labels) {
            for point in &mut curve.points {
                let Some(label) = theirs.get(point.x as usize) else { continue };
                let known = |known: &String| known.eq_ignore_ascii_case(label);
                point.x = place_of(labels, known, || label.clone()) as f64;
            }
        }
        curve.look = Look::paper(turn);
        ours.curves.push(curve);
    }
}

#[cfg(test)]
mod tests;
