//! The content of a plot: curves over one pair of axes.
//!
//! Invariant: everything in one plot has the same units.

use super::digits;
use super::look::Look;
use crate::cell::same;
use crate::spec::{Axis, Draw};

/// The most room of an interval, as a multiple of the values' own.
const WIDE: f64 = 3.0;

/// One value with its known spread.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    /// The mean of repetitions.
    pub(super) y: f64,
    /// Ends of the interval.
    pub(super) spread: Option<(f64, f64)>,
    /// The number in a table: the median of repetitions.
    pub(super) number: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) look: Look,
    pub(super) published: bool,
    pub(super) points: Vec<Point>,
}

impl Curve {
    /// A value of it as text: of a published one, all its digits.
    pub(super) fn shown(&self, value: f64) -> String {
        if self.published { digits::exact(value) } else { digits::plain(value) }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plot {
    /// Over the plot, if a figure has several.
    pub(super) title: String,
    pub(super) draw: Draw,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Names of x = 0, 1, 2 … if it is not a number.
    pub(super) labels: Option<Vec<String>>,
    pub(super) curves: Vec<Curve>,
    /// Further values that the axes must cover, so that plots side by side have the same ones.
    pub(super) beside_x: Vec<f64>,
    pub(super) beside_y: Vec<f64>,
}

impl Plot {
    fn points(&self) -> impl Iterator<Item = &Point> {
        self.curves.iter().flat_map(|curve| &curve.points)
    }

    /// The range of the vertical axis: all points, and their intervals as far as these do not shrink
    /// the points to nothing.
    pub(super) fn span(&self) -> Option<(f64, f64)> {
        // A logarithmic axis cannot show values that are not above zero.
        let shown = |value: &f64| !self.y.log || *value > 0.0;
        let values = self.points().map(|point| point.y).chain(self.beside_y.iter().copied());
        let (low, high) = range(values.filter(shown))?;
        let ends = self.points().filter_map(|point| point.spread).flat_map(|ends| [ends.0, ends.1]);
        let (lowest, highest) = range(ends.filter(shown)).unwrap_or((low, high));
        let (least, most) = if self.y.log {
            (low / WIDE, high * WIDE)
        } else {
            let ground = self.y.from.unwrap_or(0.0).min(low);
            let below = if low < 0.0 && self.y.from.is_none() { high - low } else { 0.0 };
            (ground - below, high + (high - ground))
        };
        Some((lowest.max(least).min(low), highest.min(most).max(high)))
    }

    /// The largest value, without its interval.
    pub(super) fn largest(&self) -> Option<f64> {
        range(self.points().map(|point| point.y.abs())).map(|ends| ends.1)
    }

    /// Whether the plot cuts an interval.
    pub(super) fn cuts(&self) -> bool {
        let Some((low, high)) = self.span() else { return false };
        self.points().filter_map(|point| point.spread).any(|(from, to)| from < low || to > high)
    }

    /// The largest x.
    pub(super) fn farthest(&self) -> Option<f64> {
        self.xs().last().copied()
    }

    /// All x in order.
    pub(super) fn xs(&self) -> Vec<f64> {
        in_order(self.points().map(|point| point.x).collect())
    }

    /// All x that its axis shows.
    pub(super) fn shown_xs(&self) -> Vec<f64> {
        let mut xs = self.xs();
        xs.extend(&self.beside_x);
        in_order(xs)
    }

    /// Puts the values of x side by side, as names, if they are bars and have none.
    pub(super) fn name_bars(&mut self) {
        if self.draw != Draw::Bars || self.labels.is_some() {
            return;
        }
        let xs = self.xs();
        for point in self.curves.iter_mut().flat_map(|curve| &mut curve.points) {
            point.x = xs.iter().position(|x| same(*x, point.x)).unwrap_or_default() as f64;
        }
        self.labels = Some(xs.into_iter().map(digits::exact).collect());
    }

    /// The text for screen readers.
    pub(super) fn described(&self, title: &str) -> String {
        let kind = match self.draw {
            Draw::Lines => "Lines",
            Draw::Bars => "Bars",
            Draw::Time => "Curves over time",
        };
        let names: Vec<_> = self.curves.iter().map(|curve| curve.name.as_str()).collect();
        let over = if self.x.name.is_empty() {
            String::new()
        } else {
            format!(" by {}", super::html::axis(&self.x))
        };
        format!("{title}. {kind}: {}{over}, for {}.", super::html::axis(&self.y), names.join("; "))
    }
}

/// The place of the first item that fits; if there is none, a new one is added.
pub(super) fn place_of<T>(
    items: &mut Vec<T>,
    fits: impl FnMut(&T) -> bool,
    new: impl FnOnce() -> T,
) -> usize {
    items.iter().position(fits).unwrap_or_else(|| {
        items.push(new());
        items.len() - 1
    })
}

/// Each once.
pub(super) fn in_order(mut xs: Vec<f64>) -> Vec<f64> {
    xs.sort_by(f64::total_cmp);
    xs.dedup_by(|a, b| same(*a, *b));
    xs
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}
