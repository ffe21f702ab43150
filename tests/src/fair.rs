//! Computes what a shared link owes each sender, without weir's own scheduler or its oracle.
//!
//! Invariant: `rate = clamp(weight * level, min, min(max, demand))`, with the one level at which the
//! rates add up to the link's rate, or to the whole demand if that is less.

/// One sender's promise and what it offers, in bits per second or any other unit of the link's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sender {
    pub weight: f64,
    pub min: f64,
    pub max: f64,
    pub demand: f64,
}

impl Sender {
    /// One that always has something to send; adjust with struct update syntax.
    pub fn greedy(weight: f64) -> Self {
        Self { weight, min: 0.0, max: f64::INFINITY, demand: f64::INFINITY }
    }

    fn at(&self, level: f64) -> f64 {
        let most = self.max.min(self.demand);
        (self.weight * level).max(self.min).min(most)
    }
}

/// Each sender's rate on a link of this rate.
#[must_use]
pub fn rates(link: f64, senders: &[Sender]) -> Vec<f64> {
    let sum = |level: f64| senders.iter().map(|sender| sender.at(level)).sum::<f64>();
    let (mut low, mut high) = (0.0, link * senders.len().max(1) as f64);
    // A weight below one needs a level above the link's rate.
    while sum(high) < link && sum(high) < sum(high * 2.0) {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if sum(middle) < link { low = middle } else { high = middle }
    }
    senders.iter().map(|sender| sender.at(high)).collect()
}

/// The largest relative difference between measured and owed rates, in percent.
pub fn worst_percent(measured: &[f64], owed: &[f64]) -> f64 {
    measured
        .iter()
        .zip(owed)
        .map(|(measured, owed)| (measured - owed).abs() / owed * 100.0)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests;
