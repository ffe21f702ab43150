//! What a link's shares should come to, computed at leisure: what the schedulers are tested
//! against, and what a report can compare with.
//! Invariant: nobody gets more than it asks for or may have; unless the minimum rates alone are
//! more than the link, nobody gets less than its own; and the link is full or everybody content.
//!
//! Water-filling: `rate_i = clamp(weight_i * level, min_i, min(max_i, demand_i))`, with the one
//! level at which the sum is the link's rate.

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

/// What each gets, in bits per second. Minimum rates that do not fit are cut in proportion.
#[must_use]
pub fn shares(link: Rate, demands: &[Demand]) -> Vec<f64> {
    let rate = link.bits_per_s as f64;
    let rates = |level: f64| demands.iter().map(|d| d.at(level)).collect::<Vec<f64>>();
    let sum = |level: f64| demands.iter().map(|d| d.at(level)).sum::<f64>();
    let promised = sum(0.0);
    if promised >= rate {
        return rates(0.0).into_iter().map(|min| min * rate / promised).collect();
    }
    let lightest = demands.iter().map(|d| f64::from(d.weight.max(1))).fold(f64::INFINITY, f64::min);
    // At this level the lightest vif alone would fill the link.
    let (mut low, mut high) = (0.0, rate / lightest);
    if sum(high) <= rate {
        return rates(high);
    }
    // Halved until floats cannot tell the ends apart.
    for _ in 0..128 {
        let middle = f64::midpoint(low, high);
        if sum(middle) > rate { high = middle } else { low = middle }
    }
    rates(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: f64 = f64::INFINITY;

    fn of(link: u64, demands: &[(u32, f64, f64, f64)]) -> Vec<f64> {
        let demands: Vec<_> = demands
            .iter()
            .map(|&(weight, min, max, demand)| Demand { weight, min, max, demand })
            .collect();
        shares(Rate::new(link), &demands)
            .into_iter()
            .map(|rate| (rate * 1e3).round() / 1e3)
            .collect()
    }

    #[test]
    fn by_weight() {
        assert_eq!(of(100, &[(1, 0.0, ALL, ALL), (3, 0.0, ALL, ALL)]), [25.0, 75.0]);
        assert_eq!(of(100, &[(1, 0.0, ALL, 10.0), (3, 0.0, ALL, ALL)]), [10.0, 90.0]);
        assert_eq!(of(100, &[(1, 0.0, ALL, 10.0), (3, 0.0, ALL, 20.0)]), [10.0, 20.0]);
        assert_eq!(of(100, &[]), [0.0; 0]);
    }

    #[test]
    fn between_its_rates() {
        assert_eq!(of(100, &[(1, 40.0, ALL, ALL), (3, 0.0, ALL, ALL)]), [40.0, 60.0]);
        assert_eq!(of(100, &[(1, 20.0, ALL, ALL), (3, 0.0, ALL, ALL)]), [25.0, 75.0]);
        assert_eq!(of(100, &[(1, 0.0, ALL, ALL), (3, 0.0, 30.0, ALL)]), [70.0, 30.0]);
        assert_eq!(of(100, &[(1, 0.0, 20.0, ALL), (3, 0.0, 30.0, ALL)]), [20.0, 30.0]);
        assert_eq!(of(100, &[(1, 50.0, ALL, 5.0), (1, 0.0, ALL, ALL)]), [5.0, 95.0]);
        assert_eq!(of(100, &[(1, 150.0, ALL, ALL), (1, 50.0, ALL, ALL)]), [75.0, 25.0]);
    }

    proptest! {
        #[test]
        fn holds_what_it_says(
            link in 1_000_000u64..100_000_000_000,
            vifs in prop::collection::vec((1u32..=1000, 0.0..0.2f64, 0.0..1.5f64, 0.0..1.5f64), 1..65),
        ) {
            let rate = link as f64;
            let demands: Vec<_> = vifs
                .iter()
                .map(|&(weight, min, more, demand)| Demand {
                    weight,
                    min: min * rate / vifs.len() as f64,
                    max: (min + more) * rate,
                    demand: demand * rate,
                })
                .collect();
            let shares = shares(Rate::new(link), &demands);
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * rate;
            let sum: f64 = shares.iter().sum();
            let asked: f64 = demands.iter().map(Demand::most).sum();
            prop_assert!(close(sum, rate.min(asked)), "{sum} of {rate}, asked {asked}");
            for (share, demand) in shares.iter().zip(&demands) {
                prop_assert!(*share <= demand.most() && *share >= demand.min.min(demand.most()));
            }
            // Who could still take more is at no lower a level than anybody above its minimum.
            for (a, da) in shares.iter().zip(&demands) {
                for (b, db) in shares.iter().zip(&demands) {
                    let wants = *a < da.most() - 1e-6 * rate;
                    let could_give = *b > db.min + 1e-6 * rate;
                    if wants && could_give {
                        let (a, b) = (a / f64::from(da.weight), b / f64::from(db.weight));
                        prop_assert!(a >= b - 1e-6 * rate);
                    }
                }
            }
        }
    }
}
