use super::*;
use proptest::prelude::*;

#[test]
fn products_before_sums_and_from_left_to_right() {
    for (text, expected) in [
        ("7", 7.0),
        ("10 * 0.5 + 0.5", 5.5),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("8 - 3 - 2", 3.0),
        ("8 / 2 / 2", 2.0),
        ("-2 + 3", 1.0),
        ("3 - -2", 5.0),
        (" 2*( 3+-1 ) ", 4.0),
    ] {
        assert_eq!(value(text), Some(expected), "{text}");
    }
}

#[test]
fn anything_else_stays_text() {
    for text in ["", "vm1", "40Mbit", "1 +", "1 2", "(1", "1)", "1e3", "inf", ".", "1..2", "+1"] {
        assert_eq!(value(text), None, "{text}");
    }
    assert_eq!(value(&"(".repeat(100_000)), None);
    assert!(value("1 / 0").is_some_and(f64::is_infinite));
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "[0-9.+*/() -]{0,60}|.{0,40}") {
        let _ = value(&text);
    }

    #[test]
    fn sums_and_products_are_right(a in 0u32..1000, b in 0u32..1000, c in 1u32..1000) {
        let [x, y, z] = [a, b, c].map(f64::from);
        prop_assert_eq!(value(&format!("{a}-{b}*{c}")), Some(x - y * z));
        prop_assert_eq!(value(&format!("({a} + {b}) / {c}")), Some((x + y) / z));
    }
}
