use super::*;
use crate::spec::load::read;
use crate::spec::load::tests::sample::GOOD;
use proptest::prelude::*;

fn scale(text: &str) -> Scale {
    toml::from_str(text).unwrap()
}

fn factor(text: &str, mbit: f64) -> f64 {
    let capacity = Capacity { mbit: Some(mbit), pps: None };
    scale(text).fitted(&capacity).unwrap().factor
}

#[test]
fn rates_ask_for_a_share_of_what_the_worker_manages() {
    let half = "mbit = 1000\nshare = 0.5";
    for (managed, expected) in
        [(860.0, 0.43), (2000.0, 1.0), (1999.0, 0.99), (80_000.0, 1.0), (17.59, 0.0087)]
    {
        assert_eq!(factor(half, managed), expected, "{managed}");
    }
    assert_eq!(factor("mbit = 1000\nshare = 1", 999.9), 0.99);
    let frames = scale("pps = 160000\nshare = 0.25");
    let both = Capacity { mbit: Some(1.0), pps: Some(320_000.0) };
    let fitted = Scaled { factor: 0.5, capacity: Capacity { mbit: None, pps: Some(320_000.0) } };
    assert_eq!(frames.fitted(&both), Some(fitted));
    assert_eq!(frames.fitted(&Capacity { pps: None, ..both }), None, "not measured");
}

#[test]
fn the_scale_is_told_with_its_reason() {
    let frames = Scaled { factor: 0.43, capacity: Capacity { mbit: None, pps: Some(412_345.6) } };
    let tcp = Scaled { factor: 0.87, capacity: Capacity { mbit: Some(1740.0), pps: None } };
    let both = Capacity { mbit: Some(12_345.0), pps: Some(1_234_567.0) };
    let all = [frames.sentence(), tcp.sentence(), both.to_string()];
    insta::assert_snapshot!(all.join("\n"), @r"
        scaled to 0.43 of the file's rates: this machine's worker forwards 412000 frames/s
        scaled to 0.87 of the file's rates: this machine's worker cuts 1740 Mb/s of TCP
        forwards 1230000 frames/s and cuts 12300 Mb/s of TCP
        ");
}

/// [`GOOD`] with a rate of every kind.
fn with_rates() -> Experiment {
    let text = GOOD
        .replace("max = \"$x\"", "min = 10, max = 50, weight = \"$x\"")
        .replace("frame = 1514", "frame = 1514, mbit = 60")
        .replace("size = 200", "size = 200, pps = 100")
        .replace("[scene]", "[scale]\nmbit = 100\nshare = 0.5\n\n[scene]");
    read(&text, "A-E9").unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_rate_is_scaled_and_nothing_else() {
    let (whole, half) = (with_rates(), with_rates().at_scale(0.5));
    for quick in [false, true] {
        let pairs = whole.cells(quick).unwrap().into_iter().zip(half.cells(quick).unwrap());
        for (whole, half) in pairs {
            let mut scene = whole.scene;
            assert_eq!(scene.rates_listed(), [100.0, 10.0, 50.0, 60.0, 100.0]);
            assert_eq!(half.scene.rates_listed(), [50.0, 5.0, 25.0, 30.0, 50.0]);
            scene.rates().zip(half.scene.rates_listed()).for_each(|(rate, half)| *rate = half);
            assert_eq!((whole.place, scene), (half.place, half.scene));
        }
    }
}

#[test]
fn bounds_on_rates_are_scaled_and_those_of_ratios_are_not() {
    let check = |lines: &str| {
        let mut experiment = with_rates();
        let text = format!("what = 'it'\n{lines}\nleast = 8\nmost = 10\nquick-most = 12");
        experiment.check = vec![toml::from_str(&text).unwrap()];
        let check = experiment.at_scale(0.5).check.remove(0);
        (check.least, check.most, check.quick_least, check.quick_most)
    };
    let value = |quantity: &str| format!("value = {{ quantity = '{quantity}', peer = 'weir' }}");
    let (scaled, kept) =
        ((Some(4.0), Some(5.0), None, Some(6.0)), (Some(8.0), Some(10.0), None, Some(12.0)));
    for rate in ["mbit", "kpps", "goodput_mbit", "offered_kpps", "owed_mbit"] {
        assert_eq!(check(&value(&format!("both.vm1.{rate}"))), scaled, "{rate}");
    }
    assert_eq!(plain(0.1 * 0.47), 0.047);
    for other in ["vm1.of_owed", "all.jain_kpps", "all.loss", "polite.p99_us", "all.link"] {
        assert_eq!(check(&value(&format!("both.{other}"))), kept, "{other}");
    }
    let over = value("both.vm1.mbit").replace("value", "over");
    assert_eq!(check(&format!("{}\n{over}", value("both.vm2.mbit"))), kept, "a ratio");
}

proptest! {
    #[test]
    fn a_factor_is_as_much_as_there_is_and_no_more(
        asked in 1.0_f64..1e6, managed in 1e-3_f64..1e9, share in 0.01_f64..1.0
    ) {
        let scale = Scale { mbit: Some(asked), pps: None, share };
        let capacity = Capacity { mbit: None, pps: Some(managed) };
        let scale = Scale { mbit: None, pps: Some(asked), ..scale };
        let factor = scale.fitted(&capacity).unwrap().factor;
        let exact = share * managed / asked;
        prop_assert!(factor > 0.0 && factor <= exact.min(1.0) * (1.0 + 1e-6));
        prop_assert!(factor >= exact.min(1.0) * 0.9, "{factor} of {exact}");
        let digits = factor.to_string();
        prop_assert!(digits.trim_start_matches(['0', '.']).len() <= 2, "{}", digits);
    }
}
