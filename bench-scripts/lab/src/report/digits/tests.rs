use super::*;

#[test]
fn measured_numbers_have_three_digits_that_count() {
    let all: Vec<_> =
        [0.0, 0.012_345, 0.9934, 3.19, 24.96, 463.4, 1234.5, 356_494.2, -12.34].map(plain).into();
    assert_eq!(
        all,
        ["0", "0.0123", "0.993", "3.19", "25.0", "463", "1234", "356\u{202f}494", "\u{2212}12.3"]
    );
}

#[test]
fn printed_numbers_keep_theirs() {
    assert_eq!([0.2288, 938.0, 81_277.0].map(exact), ["0.2288", "938", "81\u{202f}277"]);
}

#[test]
fn a_number_shows_on_which_side_of_its_bound_it_is() {
    assert_eq!(deciding(0.9934, &[Some(0.98), None]), "0.9934");
    assert_eq!(deciding(0.979_996, &[Some(0.98), None]), "0.979996");
    assert_eq!(deciding(0.98, &[Some(0.98), None]), "0.9800");
}

#[test]
fn ticks_are_short_where_asked() {
    assert_eq!(tick(10_000.0, 0, true), "10k");
    assert_eq!(tick(2_500_000.0, 0, true), "2.5M");
    assert_eq!(tick(0.5, 1, false), "0.5");
    assert_eq!(tick(100_000.0, 0, false), "100\u{202f}000");
}

proptest::proptest! {
    #[test]
    fn what_is_shown_is_on_the_side_of_the_number(value in -1e6..1e6_f64, bound in -1e3..1e3_f64) {
        let shown = read(&deciding(value, &[Some(bound)])).unwrap();
        proptest::prop_assert_eq!(shown < bound, value < bound);
    }
}
