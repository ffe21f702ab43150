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
    for (freedom, t) in [(31, 2.039_513), (40, 2.021_075), (120, 1.979_930), (1000, 1.962_339)] {
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
