//! The ideal shares of a link, computed without limits on time: the schedulers are tested against them, and a
//! report can compare with them. Invariant: no vif gets more than it asks for or may have. Unless the minimum
//! rates alone exceed the link's rate, none gets less than the smaller of its minimum rate and what it asks
//! for. The link is full, or all vifs get what they ask for.
//!
//! Water-filling: `rate_i = clamp(weight_i * level, min_i, min(max_i, demand_i))`, with the one level at
//! which the sum is the link's rate.

use crate::Rate;

/// What one vif asks of a link, in bits per second.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Demand {
    pub weight: u32,
    /// 0: none.
    pub min: f64,
    /// `f64::INFINITY`: none.
    pub max: f64,
    /// What it sends; `f64::INFINITY`: as much as it gets.
    pub demand: f64,
}

impl Demand {
    fn most(&self) -> f64 {
        self.max.min(self.demand)
    }

    fn at(&self, level: f64) -> f64 {
        let most = self.most();
        (f64::from(self.weight) * level).clamp(self.min.min(most), most)
    }
}

/// What each vif gets, in bits per second. Minimum rates that do not fit are reduced in proportion.
#[must_use]
pub fn shares(link: Rate, demands: &[Demand]) -> Vec<f64> {
    let rate = link.bits_per_s as f64;
    let rates = |level: f64| demands.iter().map(|d| d.at(level)).collect::<Vec<f64>>();
    let sum = |level: f64| demands.iter().map(|d| d.at(level)).sum::<f64>();
    let promised = sum(0.0);
    if promised >= rate {
        return rates(0.0).into_iter().map(|min| min * rate / promised).collect();
    }
    let lightest = demands.iter().map(|d| f64::from(d.weight)).fold(f64::INFINITY, f64::min);
    // At this level the lightest vif alone would fill the link.
    let (mut low, mut high) = (0.0, rate / lightest);
    if sum(high) <= rate {
        return rates(high);
    }
    // Bisection, until floating point cannot tell the ends apart.
    for _ in 0..128 {
        let middle = f64::midpoint(low, high);
        if sum(middle) > rate { high = middle } else { low = middle }
    }
    rates(low)
}

#[cfg(test)]
mod tests;
