//! Samples into medians, ratios, a table and JSON.
//!
//! Invariant: a ratio is taken within one round, where both sides met the same machine; medians
//! are taken of the ratios, not the other way round.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The measured side; every ratio is of it over a peer, where a case says nothing else.
const OURS: &str = "weir";

pub(crate) struct Sample {
    pub case: String,
    pub peer: &'static str,
    pub round: u32,
    /// By name with the unit last; the first is what the ratio is taken of.
    pub values: Vec<(&'static str, f64)>,
}

#[derive(Default)]
pub(crate) struct Report {
    samples: Vec<Sample>,
    /// The measured side of cases where it has another name.
    bases: BTreeMap<String, &'static str>,
}

/// The middle value; None of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(high);
    }
    values.get(middle - 1).map(|low| (low + high) / 2.0)
}

fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 100.0 { format!("{value:.3}") } else { format!("{value:.0}") }
}

impl Report {
    /// Takes a sample and shows it as progress.
    pub(crate) fn add(&mut self, rounds: u32, sample: Sample) {
        let mut line =
            format!("{:<24} round {}/{rounds} {:<9}", sample.case, sample.round, sample.peer);
        for (name, value) in &sample.values {
            let _ = write!(line, " {name} {}", number(*value));
        }
        eprintln!("{line}");
        self.samples.push(sample);
    }

    /// Ratios of this case are of `peer` over the others.
    pub(crate) fn base(&mut self, case: &str, peer: &'static str) {
        self.bases.insert(case.to_owned(), peer);
    }

    fn base_of(&self, case: &str) -> &'static str {
        self.bases.get(case).copied().unwrap_or(OURS)
    }

    /// Cases in the order they were measured.
    fn cases(&self) -> Vec<&str> {
        let mut cases: Vec<&str> = Vec::new();
        for sample in &self.samples {
            if !cases.contains(&sample.case.as_str()) {
                cases.push(&sample.case);
            }
        }
        cases
    }

    fn peers(&self, case: &str) -> Vec<&'static str> {
        let mut peers = Vec::new();
        for sample in self.samples.iter().filter(|sample| sample.case == case) {
            if !peers.contains(&sample.peer) {
                peers.push(sample.peer);
            }
        }
        peers
    }

    fn of<'a>(&'a self, case: &'a str, peer: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.case == case && sample.peer == peer)
    }

    fn medians(&self, case: &str, peer: &str) -> Vec<(&'static str, f64)> {
        let names =
            self.of(case, peer).next().map(|sample| sample.values.iter().map(|(name, _)| *name));
        let value = |sample: &Sample, name| {
            sample.values.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
        };
        names
            .into_iter()
            .flatten()
            .filter_map(|name| {
                let all = self.of(case, peer).filter_map(|sample| value(sample, name)).collect();
                Some((name, median(all)?))
            })
            .collect()
    }

    /// Median over the rounds of ours divided by the peer's, of the first value.
    fn ratio(&self, case: &str, peer: &str) -> Option<f64> {
        let first = |sample: &Sample| sample.values.first().map(|(_, value)| *value);
        let ratios = self.of(case, self.base_of(case)).filter_map(|ours| {
            let theirs = self.of(case, peer).find(|sample| sample.round == ours.round)?;
            let theirs = first(theirs).filter(|value| *value > 0.0)?;
            Some(first(ours)? / theirs)
        });
        median(ratios.collect())
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for case in self.cases() {
            let _ = writeln!(text, "\n{case}: medians");
            for peer in self.peers(case) {
                let mut line = format!("  {peer:<10}");
                for (name, value) in self.medians(case, peer) {
                    let _ = write!(line, "  {name} {:>8}", number(value));
                }
                let base = self.base_of(case);
                if peer != base
                    && let Some(ratio) = self.ratio(case, peer)
                {
                    let _ = write!(line, "  {base}/{peer} {ratio:.3}");
                }
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let map = |values: &[(&'static str, f64)]| -> BTreeMap<&'static str, f64> {
            values.iter().copied().collect()
        };
        let cases: Vec<Value> = self
            .cases()
            .into_iter()
            .map(|case| {
                let peers: Vec<Value> = self
                    .peers(case)
                    .into_iter()
                    .map(|peer| {
                        let rounds: Vec<_> = self.of(case, peer).map(|s| map(&s.values)).collect();
                        json!({
                            "peer": peer,
                            "medians": map(&self.medians(case, peer)),
                            "ratio": (peer != self.base_of(case)).then(|| self.ratio(case, peer)).flatten(),
                            "rounds": rounds,
                        })
                    })
                    .collect();
                json!({ "case": case, "ratio_of": self.base_of(case), "peers": peers })
            })
            .collect();
        json!({ "ratio_of": OURS, "cases": cases })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut report = Report::default();
        for (round, ours, theirs) in [(1, 2.0, 1.0), (2, 20.0, 10.0), (3, 30.0, 10.0)] {
            for (peer, value) in [(OURS, ours), ("bridge", theirs)] {
                let sample =
                    Sample { case: "udp".into(), peer, round, values: vec![("mpps", value)] };
                report.samples.push(sample);
            }
        }
        assert_eq!(report.ratio("udp", "bridge"), Some(2.0));
        assert_eq!(report.medians("udp", OURS), [("mpps", 20.0)]);
        assert!(report.text().contains("weir/bridge 2.000"));
        assert_eq!(report.json()["cases"][0]["peers"][1]["ratio"], 2.0);
        // A case may compare others.
        report.base("udp", "bridge");
        assert_eq!(report.ratio("udp", OURS), Some(0.5));
        assert!(report.text().contains("bridge/weir 0.500"));
        assert_eq!(report.json()["cases"][0]["peers"][0]["ratio"], 0.5);
        assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
        assert_eq!(median(vec![]), None);
    }
}
