//! The range of an axis, and its ticks.
//!
//! Invariant: ticks lie within their scale, in order, and their texts are exact.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::frame::width;
use crate::cell::same;
use crate::report::digits;
use crate::report::plot::Plot;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) log: bool,
    /// Values with their texts.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// The position of a value: 0 at the beginning, 1 at the end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let even = |value: f64| if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let (from, to) = (even(self.from), even(self.to));
        if from == to { 0.5 } else { (even(value) - from) / (to - from) }
    }

    pub(super) fn holds(&self, value: f64) -> bool {
        self.from.min(self.to) <= value && value <= self.from.max(self.to)
    }

    /// Leaves out every other tick.
    pub(super) fn thin_out(&mut self) {
        self.ticks = std::mem::take(&mut self.ticks).into_iter().step_by(2).collect();
    }

    /// The width of the widest text.
    pub(super) fn label_width(&self) -> i32 {
        self.ticks.iter().map(|tick| width(&tick.1)).max().unwrap_or(0)
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (begin, end): (i32, i32)) -> i32 {
        begin + (self.place(*value) * f64::from(end - begin)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|tick| tick.0 == *value);
        tick.map_or_else(String::new, |tick| tick.1.clone())
    }
}

/// The scale of a plot's values; a logarithmic one begins at the smallest divided by `below`.
pub(super) fn of_values(plot: &Plot, below: f64) -> Scale {
    let (low, high) = plot.span().unwrap_or((0.0, 1.0));
    if plot.y.log { logarithmic(low / below, high) } else { linear(low, high, plot.y.from, 5) }
}

/// A scale for values between `low` and `high`; from 0 unless another beginning is given, with at most
/// or about `most` ticks.
pub(super) fn linear(low: f64, high: f64, from: Option<f64>, most: usize) -> Scale {
    let from = from.unwrap_or_else(|| low.min(0.0)).min(low);
    let high = if high > from { high } else { from + 1.0 };
    let (step, decimals) = step((high - from) / most.max(1) as f64);
    let (first, last) = ((from / step + 1e-9).floor(), (high / step - 1e-9).ceil());
    let short = (last * step).abs() >= 1e6;
    let ticks = (0..=(last - first) as u32)
        .map(|i| (first + f64::from(i)) * step)
        .map(|value| (value, digits::tick(value, decimals, short)))
        .collect();
    Scale { from: first * step, to: last * step, log: false, ticks }
}

/// 1, 2, 2.5 or 5 times a power of ten and at least `least`, and the decimals it needs.
fn step(least: f64) -> (f64, usize) {
    let power = least.log10().floor();
    let unit = 10_f64.powf(power);
    let times = [1.0, 2.0, 2.5, 5.0].into_iter().find(|times| times * unit >= least * (1.0 - 1e-9));
    let (times, power) = times.map_or((1.0, power + 1.0), |times| (times, power));
    let decimals = if times == 2.5 { 1.0 - power } else { -power };
    (times * 10_f64.powf(power), decimals.max(0.0) as usize)
}

/// A scale for values between `low` and `high`, with ticks at powers of ten, and in between if these
/// are few.
pub(super) fn logarithmic(low: f64, high: f64) -> Scale {
    let low = if low > 0.0 { low } else { (high / 1000.0).max(1e-9) };
    let high = high.max(low);
    let candidates = |times: &'static [f64]| {
        (-12..=15).flat_map(move |power| times.iter().map(move |times| times * 10_f64.powi(power)))
    };
    let round = || candidates(&[1.0, 2.0, 5.0]);
    let mut from = round().rfind(|value| *value <= low * (1.0 + 1e-9)).unwrap_or(low);
    let to = round().find(|value| *value >= high * (1.0 - 1e-9)).unwrap_or(high);
    if same(from, to) {
        from = round().rfind(|value| *value < to * (1.0 - 1e-9)).unwrap_or(from);
    }
    let times: &'static [f64] = if to / from > 200.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let short = to >= 1e4;
    let ticks = candidates(times)
        .filter(|value| (from * (1.0 - 1e-9)..=to * (1.0 + 1e-9)).contains(value))
        .map(|value| {
            (value, digits::tick(value, (-value.log10().floor()).max(0.0) as usize, short))
        })
        .collect();
    Scale { from, to, log: true, ticks }
}

/// A scale along the plot, with ticks at the values themselves if they all have room within `pixels`,
/// otherwise at round ones.
pub(super) fn along(xs: &[f64], log: bool, tight: bool, pixels: i32) -> Scale {
    let (Some(&low), Some(&high)) = (xs.first(), xs.last()) else {
        return linear(0.0, 1.0, None, 4);
    };
    let log = log && low > 0.0;
    // A margin, so that markers keep clear of the axis.
    let air = if tight { 0.0 } else { 0.06 };
    let (from, to) = if log {
        let factor = if same(low, high) { 2.0 } else { (high / low).powf(air) };
        (low / factor, high * factor)
    } else {
        let more = if same(low, high) { low.abs().max(1.0) / 2.0 } else { (high - low) * air };
        (low - more, high + more)
    };
    let short = high >= 1e6 || (log && high >= 1e4);
    let shown =
        |value: f64| if short { digits::tick(value, 0, true) } else { digits::exact(value) };
    let ticks = xs.iter().map(|x| (*x, shown(*x))).collect();
    let mut scale = Scale { from, to, log, ticks };
    if same(low, high) || (!tight && fit(&scale, pixels)) {
        return scale;
    }
    for most in (2..=8).rev() {
        let round = if log { logarithmic(low, high) } else { linear(low, high, Some(low), most) };
        let inside = |tick: &(f64, String)| (-1e-9..=1.0 + 1e-9).contains(&scale.place(tick.0));
        scale.ticks = round.ticks.into_iter().filter(inside).collect();
        while log && scale.ticks.len() > 2 && !fit(&scale, pixels) {
            scale.thin_out();
        }
        if fit(&scale, pixels) {
            return scale;
        }
    }
    scale.ticks.truncate(1);
    scale
}

/// Whether the ticks' texts stay apart.
fn fit(scale: &Scale, pixels: i32) -> bool {
    let at = |value: f64| scale.place(value) * f64::from(pixels);
    scale.ticks.windows(2).all(|pair| {
        let apart = at(pair[1].0) - at(pair[0].0);
        let both = width(&pair[0].1) + width(&pair[1].1);
        apart >= f64::from(both) / 2.0 + 6.0
    })
}

#[cfg(test)]
mod tests;
