//! A figure's curves from an experiment's results.
//!
//! Invariant: every line that the file names is either a curve or in `missing`. No name includes a part
//! that all curves share, unless it would be empty without.

use super::look::{Look, Looks};
use super::plot::{Curve, Plot, Point, place_of};
use crate::cell::{Measured, same, same_x};
use crate::run::Results;
use crate::spec::{Axis, Draw, Experiment, Figure, Line, Peer, Variant};
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
    peer: &'a Peer,
    /// `None` if the experiment has none.
    variant: Option<&'a Variant>,
    /// Its turn is the index among the peer's samples of this figure.
    look: Look,
    points: Vec<Point>,
}

/// The parts of names that tell a figure's samples apart.
struct Parts {
    lines: bool,
    peers: bool,
    variants: bool,
}

pub(super) fn ours(experiment: &Experiment, results: Option<&Results>, figure: &Figure) -> Ours {
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
    let parts = Parts::of(&samples, figure);
    let whole = |sample: &Sample<'_>| sample.named(parts.peers, parts.lines, parts.variants);
    let missing = samples.iter().filter(|sample| sample.points.is_empty()).map(whole).collect();
    samples.retain(|sample| !sample.points.is_empty());
    let (x, y) = (x_axis(experiment, figure, draw), figure.y.clone());
    let mut plot = Plot { draw, x, y, ..Plot::default() };
    if time && samples.len() > CROWD && parts.variants {
        let apart = by_variant(&plot, samples, &parts);
        return Ours { plot, apart, missing, at };
    }
    if draw == Draw::Bars && !varied {
        categories(&mut plot, samples, &parts);
    } else {
        for sample in samples {
            let (name, look) = (whole(&sample), sample.look);
            plot.curves.push(Curve { name, look, published: false, points: sample.points });
        }
    }
    Ours { plot, apart: Vec::new(), missing, at }
}

/// A plot for each variant, with the same vertical axis.
fn by_variant(empty: &Plot, samples: Vec<Sample<'_>>, parts: &Parts) -> Vec<Plot> {
    let beside_y: Vec<f64> =
        samples.iter().flat_map(|sample| &sample.points).map(|point| point.y).collect();
    let mut plots: Vec<Plot> = Vec::new();
    for sample in samples {
        let title = sample.named(false, false, true);
        let new = || Plot { title: title.clone(), beside_y: beside_y.clone(), ..empty.clone() };
        let place = place_of(&mut plots, |known| known.title == title, new);
        let curves = &mut plots[place].curves;
        let colour = sample.look.colour;
        let turn = curves.iter().filter(|curve| curve.look.colour == colour).count();
        let look = Look { turn, ..sample.look };
        let name = sample.named(parts.peers, parts.lines || !parts.peers, false);
        curves.push(Curve { name, look, published: false, points: sample.points });
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
    let looks = Looks::of(experiment);
    let mut samples: Vec<Sample<'a>> = Vec::new();
    for line in &figure.line {
        for peer in line.peers.iter().filter_map(|name| experiment.peer(name)) {
            let drawn = |variant: &&Variant| {
                line.variants.as_ref().is_none_or(|some| some.contains(&variant.name))
                    && variant.peers.as_ref().is_none_or(|some| some.contains(&peer.name))
            };
            let variants = experiment.variant.iter().filter(drawn).map(Some);
            let none = experiment.variant.is_empty().then_some(None);
            for variant in variants.chain(none) {
                let turn = samples.iter().filter(|sample| sample.peer.name == peer.name).count();
                let look = looks.peer(&peer.name, turn);
                samples.push(Sample { line, peer, variant, look, points: Vec::new() });
            }
        }
    }
    samples
}

impl Parts {
    fn of<'a>(samples: &[Sample<'a>], figure: &Figure) -> Self {
        let several = |part: fn(&Sample<'a>) -> &'a str| {
            samples.windows(2).any(|pair| part(&pair[0]) != part(&pair[1]))
        };
        let peers = several(|sample| &sample.peer.name);
        let variants = several(Sample::variant_name);
        // A line named like the axis adds no information.
        let says_more = samples.iter().any(|sample| sample.line.name != figure.y.name);
        let lines =
            several(|sample| &sample.line.name) || (says_more && !variants) || !(peers || variants);
        Self { lines, peers, variants }
    }
}

impl<'a> Sample<'a> {
    /// "weir, VM 1": the peer, the line and the variant, each if it is wanted.
    fn named(&self, peer: bool, line: bool, variant: bool) -> String {
        let mut words: Vec<&str> = Vec::new();
        words.extend(peer.then(|| self.peer.shown()));
        words.extend(line.then_some(self.line.name.as_str()));
        words.extend(variant.then(|| self.variant.map_or("", Variant::shown)));
        words.join(", ")
    }

    fn variant_name(&self) -> &'a str {
        self.variant.map_or("", |variant| &variant.name)
    }

    fn is_of(&self, cell: &Measured) -> bool {
        cell.place.peer == self.peer.name && cell.place.variant == self.variant_name()
    }
}

/// Values over repetitions, by x.
fn repeated(sample: &Sample<'_>, measured: &[Measured]) -> Vec<Point> {
    let cells = measured.iter().filter(|cell| sample.is_of(cell));
    let at = |cell: &Measured| Some((cell.place.x.unwrap_or(0.0), value(sample, cell, measured)?));
    let mut all: Vec<(f64, f64)> = cells.filter_map(at).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let point = |group: &[(f64, f64)]| {
        let values: Vec<f64> = group.iter().map(|one| one.1).collect();
        let y = stats::mean(&values)?;
        let spread = stats::confidence(&values).map(|half| (y - half, y + half));
        Some(Point { x: group[0].0, y, spread, number: stats::median(&values)? })
    };
    all.chunk_by(|a, b| same(a.0, b.0)).filter_map(point).collect()
}

/// A cell's value of a line; with a divisor, the ratio.
fn value(sample: &Sample<'_>, cell: &Measured, measured: &[Measured]) -> Option<f64> {
    let value = *cell.outcome.values.get(&sample.line.quantity)?;
    let Some(over) = sample.line.divisor(&cell.place.peer) else { return Some(value) };
    let beside = Measured::of(measured, &over.beside(&cell.place))?;
    let divisor = *beside.outcome.values.get(&over.quantity)?;
    (divisor != 0.0).then(|| value / divisor)
}

/// The series of the first repetition.
fn over_time(sample: &Sample<'_>, measured: &[Measured], at: Option<f64>) -> Vec<Point> {
    let cells = measured.iter().filter(|cell| sample.is_of(cell) && same_x(cell.place.x, at));
    let first = cells.min_by_key(|cell| cell.place.repetition);
    let series = first.and_then(|cell| cell.outcome.series.get(&sample.line.quantity));
    let point = |&(x, y): &(f64, f64)| Point { x, y, spread: None, number: y };
    series.into_iter().flatten().map(point).collect()
}

/// Without a varied quantity: lines and variants stand side by side, with the peers in each of them.
fn categories(plot: &mut Plot, samples: Vec<Sample<'_>>, parts: &Parts) {
    let mut labels: Vec<String> = Vec::new();
    for sample in samples {
        let label = sample.named(false, true, parts.variants);
        let name = sample.peer.shown();
        let look = Look { turn: 0, ..sample.look };
        let Some(point) = sample.points.into_iter().next() else { continue };
        let x = place_of(&mut labels, |known| *known == label, || label.clone()) as f64;
        let new = || Curve { name: name.to_owned(), look, published: false, points: Vec::new() };
        let curve = place_of(&mut plot.curves, |curve| curve.name == name, new);
        plot.curves[curve].points.push(Point { x, ..point });
    }
    plot.labels = Some(labels);
}

#[cfg(test)]
mod tests;
