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
use crate::spec::{Axis, Draw, Experiment, Figure, Line};
use crate::stats;

/// With more curves over time than this, each variant has a plot of its own.
const CROWD: usize = 6;

/// A figure of our results.
pub(super) struct Ours {
    /// Without curves if nothing was measured.
    pub(super) plot: Plot,
    /// Plots with titles in its place if it would be too full.
    pub(super) apart: Vec<Plot>,
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
    points: Vec<Point>,
}

pub(super) fn ours(
    experiment: &Experiment,
    results: Option<&Results>,
    figure: &Figure,
    looks: &Looks,
) -> Ours {
    let mut samples = samples(experiment, figure);
    let measured = results.map_or(&[][..], |results| &results.measured);
    let varied = experiment.vary.is_some();
    let draw = match figure.draw {
        Draw::Time => Draw::Time,
        Draw::Lines if varied => Draw::Lines,
        _ => Draw::Bars,
    };
    let time = draw == Draw::Time;
    let xs = measured.iter().filter_map(|cell| cell.place.x);
    let at = xs.max_by(f64::total_cmp).filter(|_| time);
    for sample in &mut samples {
        sample.points =
            if time { over_time(sample, measured, at) } else { repeated(sample, measured) };
    }
    let names = Names::of(&samples, experiment, figure);
    let empty = samples.iter().filter(|sample| sample.points.is_empty());
    let missing = empty.map(|sample| names.whole(sample)).collect();
    samples.retain(|sample| !sample.points.is_empty());
    let mut plot = Plot::new(draw, x_axis(experiment, figure, draw), figure.y.clone(), Vec::new());
    if time && samples.len() > CROWD && names.variants {
        let apart = by_variant(&plot, samples, &names, looks);
        return Ours { plot, apart, missing, at };
    }
    if draw == Draw::Bars && !varied {
        categories(&mut plot, samples, &names, looks);
    } else {
        for sample in samples {
            let look = looks.peer(sample.peer, sample.turn);
            plot.curves.push(Curve::ours(names.whole(&sample), look, sample.points));
        }
        if draw == Draw::Bars {
            plot.name_values();
        }
    }
    Ours { plot, apart: Vec::new(), missing, at }
}

/// A plot for each variant, with the same vertical axis.
fn by_variant(
    empty: &Plot,
    samples: Vec<Sample<'_>>,
    names: &Names<'_>,
    looks: &Looks,
) -> Vec<Plot> {
    let beside_y: Vec<f64> =
        samples.iter().flat_map(|sample| &sample.points).map(|point| point.y).collect();
    let mut plots: Vec<Plot> = Vec::new();
    for sample in samples {
        let title = names.variant(&sample);
        let place = plots.iter().position(|known| known.title == title).unwrap_or_else(|| {
            let (title, beside_y) = (title.to_owned(), beside_y.clone());
            plots.push(Plot { title, beside_y, ..empty.clone() });
            plots.len() - 1
        });
        let curves = &mut plots[place].curves;
        let look = |turn| looks.peer(sample.peer, turn);
        let turn = curves.iter().filter(|curve| curve.look.colour == look(0).colour).count();
        curves.push(Curve::ours(names.within(&sample), look(turn), sample.points));
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
                samples.push(Sample { line, peer, variant, turn, points: Vec::new() });
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
    let beside = Measured::of(measured, &wanted, wanted.repetition)?;
    let divisor = *beside.outcome.values.get(quantity)?;
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
fn categories(plot: &mut Plot, samples: Vec<Sample<'_>>, names: &Names<'_>, looks: &Looks) {
    let mut labels: Vec<String> = Vec::new();
    for sample in samples {
        let (label, name) = (names.category(&sample), names.peer(&sample));
        let Some(point) = sample.points.into_iter().next() else { continue };
        let place = labels.iter().position(|known| *known == label).unwrap_or_else(|| {
            labels.push(label);
            labels.len() - 1
        });
        let point = Point { x: place as f64, ..point };
        match plot.curves.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push(point),
            None => {
                let look = looks.peer(sample.peer, 0);
                plot.curves.push(Curve::ours(name.to_owned(), look, vec![point]));
            }
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
