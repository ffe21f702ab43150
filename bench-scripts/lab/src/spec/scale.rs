//! `[scale]`: an experiment fits its rates to the machine. It states the demand of its rates on weir's
//! worker; if the worker cannot meet it, all rates are lowered.
//!
//! Invariant: one factor for all rates of an experiment, its checks' included, and never above 1.

use serde::{Deserialize, Serialize};

use super::quantity::is_rate;
use super::{Check, Experiment, Scene};

/// The demand of a file's rates on weir's worker: `mbit` or `pps`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scale {
    /// TCP that is cut for a link with a rate, in Mb/s of frames.
    pub mbit: Option<f64>,
    /// Single frames a second.
    pub pps: Option<f64>,
    /// The part of the worker's capacity that may be demanded.
    pub share: f64,
}

/// The measured capacity of weir's worker on a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// TCP that it cuts for a link with a rate, in Mb/s of frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mbit: Option<f64>,
    /// Single frames of 64 bytes that it forwards a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pps: Option<f64>,
}

/// The scale of an experiment's run, and the reason: the capacity that it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaled {
    pub factor: f64,
    #[serde(flatten)]
    pub capacity: Capacity,
}

impl Scale {
    /// `None` if the needed capacity was not measured.
    pub fn fitted(&self, capacity: &Capacity) -> Option<Scaled> {
        let mbit = capacity.mbit.filter(|_| self.mbit.is_some());
        let pps = capacity.pps.filter(|_| self.pps.is_some());
        let (asked, managed) = self.mbit.zip(mbit).or(self.pps.zip(pps))?;
        let factor = shortened((self.share * managed / asked).min(1.0));
        Some(Scaled { factor, capacity: Capacity { mbit, pps } })
    }
}

impl Scaled {
    /// Whether any rate differs from the file's.
    pub fn is_lower(&self) -> bool {
        self.factor < 1.0
    }

    /// "scaled to 0.43 of the file's rates: this machine's worker forwards 412000 frames/s".
    pub fn sentence(&self) -> String {
        let Self { factor, capacity } = self;
        format!("scaled to {factor} of the file's rates: this machine's worker {capacity}")
    }
}

impl std::fmt::Display for Capacity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let forwards = self.pps.map(|pps| format!("forwards {} frames/s", rounded(pps)));
        let cuts = self.mbit.map(|mbit| format!("cuts {} Mb/s of TCP", rounded(mbit)));
        let both: Vec<String> = forwards.into_iter().chain(cuts).collect();
        f.write_str(&both.join(" and "))
    }
}

/// Rounded down to two significant digits: the reported factor is the one that rates are multiplied by.
fn shortened(factor: f64) -> f64 {
    if factor >= 1.0 || factor <= 0.0 {
        return factor;
    }
    let steps = 10_f64.powi(1 - factor.log10().floor() as i32);
    // A little above, since 0.43 times 100 may come to 42.999…
    (factor * steps + 1e-9).floor() / steps
}

/// A number without the last digits of a product, which are rounding errors.
fn plain(product: f64) -> f64 {
    format!("{product:.8e}").parse().unwrap_or(product)
}

/// A measurement is no better than three digits.
fn rounded(value: f64) -> f64 {
    let digits = value.abs().max(1.0).log10().floor() as i32 - 2;
    let unit = 10_f64.powi(digits.max(0));
    (value / unit).round() * unit
}

impl Scene {
    /// Every rate in it, whatever its unit.
    fn rates(&mut self) -> impl Iterator<Item = &mut f64> {
        let promises = self.vm.iter_mut().flat_map(|vm| [&mut vm.min, &mut vm.max]);
        let offered = self.traffic.iter_mut().flat_map(|one| [&mut one.pps, &mut one.mbit]);
        std::iter::once(&mut self.link).chain(promises).chain(offered).flatten()
    }

    pub(super) fn rates_listed(&self) -> Vec<f64> {
        self.clone().rates().map(|rate| *rate).collect()
    }

    pub(super) fn at_scale(mut self, factor: f64) -> Self {
        self.rates().for_each(|rate| *rate *= factor);
        self
    }
}

impl Experiment {
    /// With every rate of its scenes, and of its checks' bounds, multiplied.
    #[must_use]
    pub fn at_scale(mut self, factor: f64) -> Self {
        self.factor *= factor;
        // A ratio's bounds are no rates.
        let of_rate = |check: &&mut Check| check.over.is_none() && is_rate(&check.value.quantity);
        for check in self.check.iter_mut().filter(of_rate) {
            let bounds =
                [&mut check.least, &mut check.most, &mut check.quick_least, &mut check.quick_most];
            bounds.into_iter().flatten().for_each(|bound| *bound = plain(*bound * factor));
        }
        self
    }
}

#[cfg(test)]
mod tests;
