//! A figure's curves from an experiment's results.
//!
//! Invariant: every line that the file names is either a curve or in `missing`.

mod names;

use self::names::Names;
use super::look::Looks;
use super::plot::{Curve, Plot, Point, same};
use super::{digits, html};
use crate::cell::{Measured, Place};
use crate::run::Results;
use crate::spec::{Axis, Draw, Experiment, Figure, Line, alike};
use crate::stats;

/// With more curves over time than this, each variant has a plot of its own.
const CROWD: usize = 6;

/// A figure of our results.
pub(super) struct Ours {
    /// Without curves if nothing was measured.
    pub(super) plot: Plot,
    /// Further plots, and the names of all of them, if a single one would be too full.
    pub(super) apart: Option<Vec<(String, Plot)>>,
    /// Names of lines without values.
    pub(super) missing: Vec<String>,
    /// With [`Draw::Time`], the varied quantity's value of the run that is drawn.
    pub(super) at: Option<f64>,
}

/// A line under one peer and one variant.
struct Sample<'a> {
    line: &'a Line,
    peer: &'a str,
    variant: &'a str,
    /// Its index among the file's lines of this figure.
    turn: usize,
}

pub(super) fn ours(
    experiment: &Experiment,
    results: Option<&Results>,
    figure: &Figure,
    looks: &Looks,
) -> Ours {
    let samples = samples(experiment, figure);
    let measured = results.map_or(&[][..], |results| &results.measured);
    let varied = experiment.vary.is_some();
    let draw = match figure.draw {
        Draw::Time => Draw::Time,
        Draw::Lines if varied => Draw::Lines,
        _ => Draw::Bars,
    };
    let mut at = None;
    let each: Vec<Vec<Point>> = if draw == Draw::Time {
        at = measured.iter().filter_map(|cell| cell.place.x).max_by(f64::total_cmp);
        samples.iter().map(|sample| over_time(sample, measured, at)).collect()
    } else {
        samples.iter().map(|sample| repeated(sample, measured)).collect()
    };
    let names = Names::of(&samples, experiment, figure);
    let missing = samples
        .iter()
        .zip(&each)
        .filter(|(_, points)| points.is_empty())
        .map(|(sample, _)| names.whole(sample))
        .collect();
    let mut plot = Plot::new(draw, x_axis(experiment, figure, draw), figure.y.clone(), Vec::new());
    let crowd = each.iter().filter(|points| !points.is_empty()).count() > CROWD;
    if draw == Draw::Time && crowd && names.variants {
        let apart = by_variant(&plot, &samples, each, &names, looks);
        return Ours { plot, apart: Some(apart), missing, at };
    }
    if draw == Draw::Bars && !varied {
        categories(&mut plot, &samples, each, &names, looks);
    } else {
        for (sample, points) in samples.iter().zip(each).filter(|(_, points)| !points.is_empty()) {
            let look = looks.peer(sample.peer, sample.turn);
            plot.curves.push(Curve { name: names.whole(sample), look, published: false, points });
        }
        if draw == Draw::Bars {
            plot.name_values();
        }
    }
    Ours { plot, apart: None, missing, at }
}

/// A plot for each variant, with the same vertical axis.
fn by_variant(
    empty: &Plot,
    samples: &[Sample<'_>],
    each: Vec<Vec<Point>>,
    names: &Names,
    looks: &Looks,
) -> Vec<(String, Plot)> {
    let ys: Vec<f64> = each.iter().flatten().map(|point| point.y).collect();
    let mut plots: Vec<(String, Plot)> = Vec::new();
    for (sample, points) in samples.iter().zip(each).filter(|(_, points)| !points.is_empty()) {
        let title = names.variant(sample);
        let place = plots.iter().position(|known| known.0 == title).unwrap_or_else(|| {
            plots.push((title, Plot { beside_y: ys.clone(), ..empty.clone() }));
            plots.len() - 1
        });
        let curves = &mut plots[place].1.curves;
        let look = |turn| looks.peer(sample.peer, turn);
        let turn = curves.iter().filter(|curve| curve.look.colour == look(0).colour).count();
        curves.push(Curve {
            name: names.within(sample),
            look: look(turn),
            published: false,
            points,
        });
    }
    plots
}

fn x_axis(experiment: &Experiment, figure: &Figure, draw: Draw) -> Axis {
    let named = |name: &str, unit: &str| Axis {
        name: name.to_owned(),
        unit: unit.to_owned(),
        ..Axis::default()
    };
    figure.x.clone().unwrap_or_else(|| match (draw, &experiment.vary) {
        (Draw::Time, _) => named("time", "s"),
        (_, Some(vary)) => named(&vary.name, &vary.unit),
        (_, None) => Axis::default(),
    })
}

/// All lines under all the peers and variants that they name.
fn samples<'a>(experiment: &'a Experiment, figure: &'a Figure) -> Vec<Sample<'a>> {
    let mut samples: Vec<Sample<'a>> = Vec::new();
    for line in &figure.line {
        for peer in &line.peers {
            let mut add = |variant: &'a str| {
                let turn = samples.iter().filter(|sample| sample.peer == peer).count();
                samples.push(Sample { line, peer, variant, turn });
            };
            if experiment.variant.is_empty() {
                add("");
                continue;
            }
            for variant in &experiment.variant {
                let of_line =
                    line.variants.as_ref().is_none_or(|some| some.contains(&variant.name));
                let of_peer = variant.peers.as_ref().is_none_or(|some| some.contains(peer));
                if of_line && of_peer {
                    add(&variant.name);
                }
            }
        }
    }
    samples
}

/// Values over repetitions, by x.
fn repeated(sample: &Sample<'_>, measured: &[Measured]) -> Vec<Point> {
    let mut groups: Vec<(f64, Vec<f64>)> = Vec::new();
    for cell in measured.iter().filter(|cell| sample.is_of(cell)) {
        let Some(value) = value(sample, cell, measured) else { continue };
        let x = cell.place.x.unwrap_or(0.0);
        match groups.iter_mut().find(|group| same(group.0, x)) {
            Some(group) => group.1.push(value),
            None => groups.push((x, vec![value])),
        }
    }
    groups.sort_by(|a, b| a.0.total_cmp(&b.0));
    groups
        .into_iter()
        .filter_map(|(x, values)| {
            let y = stats::mean(&values)?;
            let spread = stats::confidence(&values).map(|half| (y - half, y + half));
            Some(Point { x, y, spread, number: stats::median(&values)? })
        })
        .collect()
}

/// A cell's value of a line; with a divisor, the ratio.
fn value(sample: &Sample<'_>, cell: &Measured, measured: &[Measured]) -> Option<f64> {
    let value = *cell.outcome.values.get(&sample.line.quantity)?;
    let Some(over) = &sample.line.over else { return Some(value) };
    let quantity = over.quantity.as_ref().unwrap_or(&sample.line.quantity);
    let wanted = Place {
        peer: over.peer.as_ref().unwrap_or(&cell.place.peer).clone(),
        variant: over.variant.as_ref().unwrap_or(&cell.place.variant).clone(),
        x: over.x.or(cell.place.x),
        ..cell.place.clone()
    };
    let beside = measured
        .iter()
        .find(|other| other.place.repetition == wanted.repetition && alike(&other.place, &wanted));
    let divisor = *beside?.outcome.values.get(quantity)?;
    (divisor != 0.0).then(|| value / divisor)
}

/// The series of the first repetition.
fn over_time(sample: &Sample<'_>, measured: &[Measured], at: Option<f64>) -> Vec<Point> {
    let here = |x: Option<f64>| x.zip(at).is_none_or(|(x, at)| same(x, at));
    measured
        .iter()
        .filter(|cell| sample.is_of(cell) && here(cell.place.x))
        .min_by_key(|cell| cell.place.repetition)
        .and_then(|cell| cell.outcome.series.get(&sample.line.quantity))
        .map(|series| {
            series.iter().map(|&(x, y)| Point { x, y, spread: None, number: y }).collect()
        })
        .unwrap_or_default()
}

impl Sample<'_> {
    fn is_of(&self, cell: &Measured) -> bool {
        cell.place.peer == self.peer && cell.place.variant == self.variant
    }
}

/// Without a varied quantity: lines and variants stand side by side, with the peers in each of them.
fn categories(
    plot: &mut Plot,
    samples: &[Sample<'_>],
    each: Vec<Vec<Point>>,
    names: &Names,
    looks: &Looks,
) {
    let mut labels: Vec<String> = Vec::new();
    for (sample, points) in samples.iter().zip(each) {
        let Some(point) = points.into_iter().next() else { continue };
        let label = names.category(sample);
        let place = labels.iter().position(|known| *known == label).unwrap_or_else(|| {
            labels.push(label);
            labels.len() - 1
        });
        let point = Point { x: place as f64, ..point };
        let name = names.peer(sample);
        match plot.curves.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push(point),
            None => plot.curves.push(Curve {
                name,
                look: looks.peer(sample.peer, 0),
                published: false,
                points: vec![point],
            }),
        }
    }
    plot.labels = Some(labels);
}

/// Describes a time plot's run: "maximum rate of each VM 40 Mb/s".
pub(super) fn run_named(experiment: &Experiment, at: Option<f64>) -> Option<String> {
    let (vary, at) = (experiment.vary.as_ref()?, at?);
    let unit = html::unit(&vary.unit);
    let gap = if unit.is_empty() { "" } else { " " };
    Some(format!("{} {}{gap}{unit}", vary.name, digits::exact(at)))
}

#[cfg(test)]
mod tests;
