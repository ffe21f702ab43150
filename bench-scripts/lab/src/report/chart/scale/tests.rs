use super::*;

fn shown(scale: &Scale) -> Vec<&str> {
    scale.ticks.iter().map(|tick| tick.1.as_str()).collect()
}

#[test]
fn linear_ticks_are_round() {
    assert_eq!(shown(&linear(25.0, 93.0, None, 5)), ["0", "20", "40", "60", "80", "100"]);
    assert_eq!(shown(&linear(0.97, 1.0, Some(0.96), 5)), ["0.96", "0.97", "0.98", "0.99", "1.00"]);
    assert_eq!(shown(&linear(0.0, 0.0, None, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
}

#[test]
fn logarithmic_ticks_are_few() {
    assert_eq!(shown(&logarithmic(100.0, 1e7)), ["100", "1k", "10k", "100k", "1M", "10M"]);
    assert_eq!(shown(&logarithmic(0.14, 3.9)), ["0.1", "0.2", "0.5", "1", "2", "5"]);
    assert_eq!(shown(&logarithmic(3.0, 3.0)), ["2", "5"]);
}

#[test]
fn the_values_themselves_are_written_where_there_is_room() {
    assert_eq!(
        shown(&along(&[25.0, 30.0, 35.0, 40.0], false, false, 300)),
        ["25", "30", "35", "40"]
    );
    let sizes = [36.0, 60.0, 100.0, 200.0, 400.0, 600.0, 1000.0, 1400.0, 1470.0];
    assert_eq!(
        shown(&along(&sizes, false, false, 280)),
        ["0", "250", "500", "750", "1000", "1250", "1500"]
    );
    assert_eq!(shown(&along(&[1.0, 2.0, 4.0, 8.0], true, false, 280)), ["1", "2", "4", "8"]);
}

proptest::proptest! {
    #[test]
    fn scales_hold_their_values(a in -1e7..1e7_f64, b in -1e7..1e7_f64, most in 2..8_usize) {
        let (low, high) = (a.min(b), a.max(b));
        let scale = linear(low, high, None, most);
        let air = (scale.to - scale.from) * 1e-6;
        proptest::prop_assert!(scale.from <= low + air && high <= scale.to + air);
        proptest::prop_assert!(scale.ticks.len() >= 2 && scale.ticks.len() <= 12);
    }

    #[test]
    fn logarithmic_scales_hold_theirs(a in -6.0..8.0_f64, b in -6.0..8.0_f64) {
        let (low, high) = (10_f64.powf(a.min(b)), 10_f64.powf(a.max(b)));
        let scale = logarithmic(low, high);
        proptest::prop_assert!(scale.from <= low * 1.001 && high <= scale.to * 1.001);
        proptest::prop_assert!(scale.ticks.len() >= 2);
    }

    #[test]
    fn labels_along_stay_apart(mut xs in proptest::collection::vec(0.0..1e6_f64, 1..20), log: bool) {
        xs.sort_by(f64::total_cmp);
        let scale = along(&xs, log, false, 280);
        proptest::prop_assert!(fit(&scale, 280));
    }
}
