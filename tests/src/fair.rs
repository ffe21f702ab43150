//! What a shared link owes each sender, found without weir's own scheduler or its oracle.
//!
//! Invariant: `rate = clamp(weight * level, min, min(max, demand))`, with the one level at which
//! the rates add up to the link's, or all that is asked for if that is less.

/// One sender's promise and what it offers, in bits per second or any other unit of the link's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sender {
    pub weight: f64,
    pub min: f64,
    pub max: f64,
    pub demand: f64,
}

impl Sender {
    /// One that always has something to send.
    #[must_use]
    pub fn greedy(weight: f64) -> Self {
        Self { weight, min: 0.0, max: f64::INFINITY, demand: f64::INFINITY }
    }

    #[must_use]
    pub fn min(self, min: f64) -> Self {
        Self { min, ..self }
    }

    #[must_use]
    pub fn max(self, max: f64) -> Self {
        Self { max, ..self }
    }

    #[must_use]
    pub fn demand(self, demand: f64) -> Self {
        Self { demand, ..self }
    }

    fn at(&self, level: f64) -> f64 {
        let most = self.max.min(self.demand);
        (self.weight * level).max(self.min).min(most)
    }
}

/// Each sender's rate on a link of this one.
#[must_use]
pub fn rates(link: f64, senders: &[Sender]) -> Vec<f64> {
    let sum = |level: f64| senders.iter().map(|sender| sender.at(level)).sum::<f64>();
    let (mut low, mut high) = (0.0, link * senders.len().max(1) as f64);
    // A weight below one would need a higher level than the link's rate.
    while sum(high) < link && sum(high) < sum(high * 2.0) {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if sum(middle) < link { low = middle } else { high = middle }
    }
    senders.iter().map(|sender| sender.at(high)).collect()
}

/// The largest relative difference between what was measured and what was owed, in percent.
#[must_use]
pub fn worst_percent(measured: &[f64], owed: &[f64]) -> f64 {
    measured
        .iter()
        .zip(owed)
        .map(|(measured, owed)| (measured - owed).abs() / owed * 100.0)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(link: f64, senders: &[Sender], expected: &[f64]) {
        let rates = rates(link, senders);
        assert!(worst_percent(&rates, expected) < 1e-6, "{rates:?} is not {expected:?}");
    }

    #[test]
    fn weights_share_what_minimum_rates_leave() {
        let [one, two, five] = [1.0, 2.0, 5.0].map(Sender::greedy);
        near(80.0, &[one, two, five], &[10.0, 20.0, 50.0]);
        near(100.0, &[one, two, five, one.min(40.0)], &[7.5, 15.0, 37.5, 40.0]);
    }

    #[test]
    fn what_one_does_not_ask_for_goes_to_the_others() {
        let one = Sender::greedy(1.0);
        near(100.0, &[one, one, one.demand(10.0)], &[45.0, 45.0, 10.0]);
        near(100.0, &[one.demand(10.0), one.demand(20.0)], &[10.0, 20.0]);
        near(100.0, &[Sender { max: 5.0, ..one }, one], &[5.0, 95.0]);
    }
}
