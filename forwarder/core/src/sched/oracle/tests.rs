use super::*;
use proptest::prelude::*;

const ALL: f64 = f64::INFINITY;

fn of(link: u64, demands: &[(u32, f64, f64, f64)]) -> Vec<f64> {
    let demands: Vec<_> = demands
        .iter()
        .map(|&(weight, min, max, demand)| Demand { weight, min, max, demand })
        .collect();
    shares(Rate::new(link), &demands).into_iter().map(|rate| (rate * 1e3).round() / 1e3).collect()
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
        // A vif that could still take more is at no lower a level than any vif above its minimum.
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
