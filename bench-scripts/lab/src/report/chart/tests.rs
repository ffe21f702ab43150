use proptest::prelude::*;

use super::*;
use crate::report::look::Look;
use crate::report::plot::{Curve, Point};
use crate::spec::Axis;

fn axis(log: bool, from: Option<f64>) -> Axis {
    Axis { name: "a quantity".to_owned(), unit: "Mb/s".to_owned(), log, from }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(1.0), -1e12..1e12_f64, 0.0..1.0_f64, 1e-9..1e-3_f64]
}

prop_compose! {
    fn point()(x in number(), y in number(), half in proptest::option::of(number())) -> Point {
        let spread = half.map(|half| (y - half.abs(), y + half.abs()));
        Point { x, y, spread, number: y }
    }
}

prop_compose! {
    fn plot()(
        curves in prop::collection::vec(prop::collection::vec(point(), 1..12), 1..9),
        kind in 0..3,
        logs: (bool, bool),
        from in proptest::option::of(number()),
    ) -> Plot {
        let draw = [Draw::Lines, Draw::Bars, Draw::Time][kind as usize];
        let curves = curves.into_iter().enumerate().map(|(i, mut points)| {
            for (place, point) in points.iter_mut().enumerate().filter(|_| draw == Draw::Bars) {
                point.x = place as f64;
            }
            let name = format!("curve {i}");
            Curve { name, look: Look::paper(i), published: true, points }
        });
        let (x, y, curves) = (axis(logs.0, None), axis(logs.1, from), curves.collect());
        let labels = (draw == Draw::Bars).then(|| (0..12).map(|i| format!("group {i}")).collect());
        Plot { draw, x, y, labels, curves, ..Plot::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_measured_can_be_drawn(plot in plot()) {
        for size in [Size::Wide, Size::Half, Size::Narrow] {
            let drawn = svg(&plot, size, "a test").unwrap();
            prop_assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
            prop_assert!(!drawn.contains("NaN") && drawn.matches("<text").count() < 200);
        }
    }
}
