//! Numbers of repetitions. Invariant: total functions; of nothing there is no number.

/// Student's t, two-sided 0.95, for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
    2.262_157, 2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905,
    2.109_816, 2.100_922, 2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899,
    2.059_539, 2.055_529, 2.051_831, 2.048_407, 2.045_230, 2.042_272,
];
/// The same of the normal distribution.
const NORMAL: f64 = 1.959_964;

/// The middle value.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let above = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(above);
    }
    // Halves first: the sum of two large values is infinite.
    sorted.get(sorted.len() / 2 - 1).map(|below| below / 2.0 + above / 2.0)
}

#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// With n - 1.
#[must_use]
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Half the width of the mean's 0.95 confidence interval, by Student's distribution; `None` of
/// fewer than two values.
#[must_use]
pub fn confidence(values: &[f64]) -> Option<f64> {
    let deviation = deviation(values)?;
    Some(student(values.len() - 1) * deviation / (values.len() as f64).sqrt())
}

/// By table, and beyond it by the first terms of Fisher's expansion around the normal distribution.
fn student(freedom: usize) -> f64 {
    if let Some(t) = freedom.checked_sub(1).and_then(|index| STUDENT.get(index)) {
        return *t;
    }
    let (z, n) = (NORMAL, freedom as f64);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / n + second / (n * n)
}

/// Jain's index, `(sum x)^2 / (n * sum x^2)`.
#[must_use]
pub fn jain(values: &[f64]) -> Option<f64> {
    let largest = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    if largest == 0.0 {
        return None;
    }
    // Of parts of the largest: squares of very small or large numbers are no numbers any more.
    let parts = || values.iter().map(|value| value / largest);
    let squares: f64 = parts().map(|part| part * part).sum();
    Some(parts().sum::<f64>().powi(2) / (values.len() as f64 * squares))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() <= expected.abs() * 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn nothing_has_no_number() {
        for of in [median, mean, deviation, confidence, jain] {
            assert_eq!(of(&[]), None);
        }
        for of in [deviation, confidence] {
            assert_eq!(of(&[3.0]), None);
        }
        assert_eq!(jain(&[0.0, 0.0]), None);
    }

    #[test]
    fn numbers_of_a_few_values() {
        let values = [5.0, 1.0, 2.0, 10.0];
        near(median(&values), 3.5);
        near(median(&values[..3]), 2.0);
        near(mean(&values), 4.5);
        near(deviation(&values), (49.0f64 / 3.0).sqrt());
        near(confidence(&values), 3.182_446 * (49.0f64 / 3.0).sqrt() / 2.0);
        near(jain(&values), 324.0 / (4.0 * 130.0));
        near(jain(&[1e-200, 1e-200]), 1.0);
        near(jain(&[1e200, 0.0]), 0.5);
    }

    #[test]
    fn ten_runs_as_in_a_book() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        near(confidence(&values), 2.262_157 * 3.027_650_354 / 10.0f64.sqrt());
    }

    #[test]
    fn students_distribution_goes_on_behind_the_table() {
        for (freedom, t) in [(1, 12.706_205), (30, 2.042_272)] {
            near(Some(student(freedom)), t);
        }
        for (freedom, t) in [(31, 2.039_513), (40, 2.021_075), (120, 1.979_930), (1000, 1.962_339)]
        {
            assert!((student(freedom) - t).abs() < 1e-4, "{freedom}: {}", student(freedom));
        }
        assert!((1..2000).all(|freedom| student(freedom + 1) < student(freedom)));
    }

    fn rates() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0.0..1e9f64, 1..40)
    }

    fn ends(values: &[f64]) -> (f64, f64) {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        (least, values.iter().copied().fold(0.0, f64::max))
    }

    proptest! {
        #[test]
        fn the_middle_is_between_the_ends(values in rates()) {
            let (least, most) = ends(&values);
            let middle = median(&values).unwrap();
            prop_assert!(least <= middle && middle <= most);
            let below = values.iter().filter(|value| **value < middle).count();
            let above = values.iter().filter(|value| **value > middle).count();
            prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
        }

        #[test]
        fn the_mean_is_between_the_ends(values in rates()) {
            let (least, most) = ends(&values);
            let mean = mean(&values).unwrap();
            prop_assert!(least - 1e-6 <= mean && mean <= most + 1e-6);
        }

        #[test]
        fn order_does_not_count(values in rates()) {
            let mut turned = values.clone();
            turned.reverse();
            prop_assert_eq!(median(&values), median(&turned));
        }

        #[test]
        fn deviation_and_confidence_are_not_below_zero(values in rates()) {
            for of in [deviation, confidence] {
                prop_assert_eq!(of(&values).is_some(), values.len() > 1);
                prop_assert!(of(&values).is_none_or(|found| found >= 0.0 && found.is_finite()));
            }
        }

        #[test]
        fn moving_all_values_moves_the_mean_only(values in rates(), by in 0.0..1e6f64) {
            let moved: Vec<f64> = values.iter().map(|value| value + by).collect();
            if let (Some(before), Some(after)) = (deviation(&values), deviation(&moved)) {
                prop_assert!((before - after).abs() <= 1e-6 * before.max(1.0));
            }
        }

        #[test]
        fn fairness_is_between_one_for_all_and_all_alike(values in rates()) {
            if let Some(found) = jain(&values) {
                let alone = 1.0 / values.len() as f64;
                prop_assert!(alone - 1e-9 <= found && found <= 1.0 + 1e-9, "{}", found);
            }
        }

        #[test]
        fn equal_values_are_fair(value in 1e-3..1e9f64, n in 1usize..40) {
            prop_assert!((jain(&vec![value; n]).unwrap() - 1.0).abs() < 1e-9);
        }
    }
}
