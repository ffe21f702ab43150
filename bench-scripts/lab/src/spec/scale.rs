//! `[scale]`: an experiment fits its rates to the machine. It says what its rates ask of weir's
//! worker; where the worker manages too little for that, all rates are lowered.
//!
//! Invariant: one factor for all rates of an experiment, its checks' included, and never above 1.

use serde::{Deserialize, Serialize};

use super::quantity::is_rate;
use super::{Check, Experiment, Scene, Squeeze};

/// What the rates of a file ask of weir's worker: `mbit` or `pps`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scale {
    /// TCP that is cut for a link with a rate, in Mb/s of frames.
    pub mbit: Option<f64>,
    /// Single frames a second.
    pub pps: Option<f64>,
    /// The part of what the worker manages that may be asked of it.
    pub share: f64,
}

/// What weir's worker manages on a machine, as far as it was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    /// TCP that it cuts for a link with a rate, in Mb/s of frames.
    pub mbit: Option<f64>,
    /// Single frames of 64 bytes that it forwards a second.
    pub pps: Option<f64>,
}

/// At which scale an experiment was run, and why: `mbit` or `pps` is what the worker managed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaled {
    pub factor: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mbit: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pps: Option<f64>,
}

impl Scale {
    /// `None` if what it asks for was not measured.
    #[must_use]
    pub fn fitted(&self, capacity: &Capacity) -> Option<Scaled> {
        let of = |asked: Option<f64>, managed: Option<f64>| {
            let (asked, managed) = asked.zip(managed)?;
            Some((self.factor(asked, managed), managed))
        };
        let mbit = of(self.mbit, capacity.mbit);
        let pps = of(self.pps, capacity.pps);
        let (factor, _) = mbit.or(pps)?;
        let managed = |found: Option<(f64, f64)>| found.map(|(_, managed)| managed);
        Some(Scaled { factor, mbit: managed(mbit), pps: managed(pps) })
    }

    fn factor(&self, asked: f64, managed: f64) -> f64 {
        shortened((self.share * managed / asked).min(1.0))
    }
}

impl Scaled {
    /// Whether any rate differs from the file's.
    #[must_use]
    pub fn is_lower(&self) -> bool {
        self.factor < 1.0
    }

    /// "scaled to 0.43 of the file's rates: this machine's worker forwards 412000 frames/s".
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { factor, mbit, pps } = *self;
        let capacity = Capacity { mbit, pps };
        format!("scaled to {factor} of the file's rates: this machine's worker {capacity}")
    }
}

impl std::fmt::Display for Capacity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let forwards = self.pps.map(|pps| format!("forwards {} frames/s", rounded(pps)));
        let cuts = self.mbit.map(|mbit| format!("cuts {} Mb/s of TCP", rounded(mbit)));
        let both: Vec<String> = forwards.into_iter().chain(cuts).collect();
        f.write_str(&both.join(" and "))
    }
}

/// To two digits that count, downwards: what is said is what rates are multiplied by.
fn shortened(factor: f64) -> f64 {
    if factor >= 1.0 || factor <= 0.0 {
        return factor;
    }
    let steps = 10_f64.powi(1 - factor.log10().floor() as i32);
    // A little above, since 0.43 times 100 may come to 42.999…
    (factor * steps + 1e-9).floor() / steps
}

/// A number that is read: without the last digits of a product, which are nobody's.
fn plain(product: f64) -> f64 {
    format!("{product:.8e}").parse().unwrap_or(product)
}

/// A measurement is no better than three digits.
fn rounded(value: f64) -> f64 {
    let digits = value.abs().max(1.0).log10().floor() as i32 - 2;
    let unit = 10_f64.powi(digits.max(0));
    (value / unit).round() * unit
}

impl Scene {
    /// Every rate in it, whatever its unit.
    fn rates(&mut self) -> impl Iterator<Item = &mut f64> {
        let promises = self.vm.iter_mut().flat_map(|vm| [&mut vm.min, &mut vm.max]);
        let offered = self.traffic.iter_mut().flat_map(|one| [&mut one.pps, &mut one.mbit]);
        std::iter::once(&mut self.link).chain(promises).chain(offered).flatten()
    }

    pub(super) fn rates_listed(&self) -> Vec<f64> {
        self.clone().rates().map(|rate| *rate).collect()
    }

    pub(super) fn at_scale(mut self, factor: f64) -> Self {
        self.rates().for_each(|rate| *rate *= factor);
        self
    }
}

impl Check {
    /// Whether its bounds are rates. Of a ratio they are not.
    fn bounds_rates(&self) -> bool {
        self.over.is_none() && self.squeeze != Squeeze::Spread && is_rate(&self.value.quantity)
    }
}

impl Experiment {
    /// With every rate of its scenes, and of its checks' bounds, multiplied.
    #[must_use]
    pub fn at_scale(&self, factor: f64) -> Self {
        let mut scaled = self.clone();
        scaled.factor *= factor;
        for check in scaled.check.iter_mut().filter(|check| check.bounds_rates()) {
            let bounds =
                [&mut check.least, &mut check.most, &mut check.quick_least, &mut check.quick_most];
            bounds.into_iter().flatten().for_each(|bound| *bound = plain(*bound * factor));
        }
        scaled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load::read;
    use crate::spec::load::sample::GOOD;
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
        let fitted = Scaled { factor: 0.5, mbit: None, pps: Some(320_000.0) };
        assert_eq!(frames.fitted(&both), Some(fitted));
        assert_eq!(frames.fitted(&Capacity { pps: None, ..both }), None, "not measured");
    }

    #[test]
    fn the_scale_is_told_with_its_reason() {
        let frames = Scaled { factor: 0.43, mbit: None, pps: Some(412_345.6) };
        let tcp = Scaled { factor: 0.87, mbit: Some(1740.0), pps: None };
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
        let value =
            |quantity: &str| format!("value = {{ quantity = '{quantity}', peer = 'weir' }}");
        let (scaled, kept) =
            ((Some(4.0), Some(5.0), None, Some(6.0)), (Some(8.0), Some(10.0), None, Some(12.0)));
        for rate in ["mbit", "kpps", "goodput_mbit", "offered_kpps", "owed_mbit"] {
            assert_eq!(check(&value(&format!("both.vm1.{rate}"))), scaled, "{rate}");
        }
        assert_eq!(check(&(value("both.*.mbit") + "\nsqueeze = 'sum'")), scaled);
        assert_eq!(plain(0.1 * 0.47), 0.047);
        for other in ["vm1.of_owed", "all.jain_kpps", "all.loss", "polite.p99_us", "all.link"] {
            assert_eq!(check(&value(&format!("both.{other}"))), kept, "{other}");
        }
        assert_eq!(check(&(value("both.*.mbit") + "\nsqueeze = 'spread'")), kept, "a ratio");
        let over = value("both.vm1.mbit").replace("value", "over");
        assert_eq!(check(&format!("{}\n{over}", value("both.vm2.mbit"))), kept, "a ratio");
    }

    proptest! {
        #[test]
        fn a_factor_is_as_much_as_there_is_and_no_more(
            asked in 1.0_f64..1e6, managed in 1e-3_f64..1e9, share in 0.01_f64..1.0
        ) {
            let scale = Scale { mbit: Some(asked), pps: None, share };
            let factor = scale.factor(asked, managed);
            let exact = share * managed / asked;
            prop_assert!(factor > 0.0 && factor <= exact.min(1.0) * (1.0 + 1e-6));
            prop_assert!(factor >= exact.min(1.0) * 0.9, "{factor} of {exact}");
            let digits = factor.to_string();
            prop_assert!(digits.trim_start_matches(['0', '.']).len() <= 2, "{}", digits);
        }
    }
}
