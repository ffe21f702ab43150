//! Two flooding VMs whose weights change every second, from 30:1 to 1:30: do the shares follow?

use super::load::{self, LARGE, WARM_UP};
use super::stage::{Peer, Promise, Scene, Stage};
use crate::Plan;
use crate::report::{Report, Sample};
use anyhow::Result;
use std::time::Duration;
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::Pace;

const LINK_MBIT: u32 = 100;
const STEPS: [(&str, [u32; 2]); 7] = [
    ("30:1_percent", [30, 1]),
    ("10:1_percent", [10, 1]),
    ("3:1_percent", [3, 1]),
    ("1:1_percent", [1, 1]),
    ("1:3_percent", [1, 3]),
    ("1:10_percent", [1, 10]),
    ("1:30_percent", [1, 30]),
];
const STEP: Duration = Duration::from_secs(1);

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let scene = Scene::new(plan, LINK_MBIT, &[30, 1].map(Promise::weight));
    for round in 1..=plan.rounds {
        for peer in Peer::wanted(&[Peer::Weir, Peer::Htb], plan) {
            let stage = Stage::new(peer, &scene)?;
            let values = run(&stage)?;
            stage.finish()?;
            let case = "e6: weights every second".into();
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}

/// The first VM's part of what came in each second, and how far from its weight's part.
fn run(stage: &Stage) -> Result<Vec<(&'static str, f64)>> {
    let watch = Watch::start(&stage.bed.uplink, None, Keep::None, At::Native)?;
    let sending = load::floods(stage, 2, LARGE, Pace::FlatOut)?;
    std::thread::sleep(WARM_UP);
    let (mut worst, mut worst_relative, mut parts) = (0.0_f64, 0.0_f64, Vec::new());
    for (name, weights) in STEPS {
        stage.reweigh(&weights)?;
        let rates = load::rates_mbit(&watch, &stage.bed.guests, STEP)?;
        let sum: f64 = rates.iter().sum();
        let all = f64::from(weights.iter().sum::<u32>());
        for (rate, weight) in rates.iter().zip(weights) {
            let (part, owed) = (rate / sum * 100.0, f64::from(weight) / all * 100.0);
            worst = worst.max((part - owed).abs());
            worst_relative = worst_relative.max((part - owed).abs() / owed * 100.0);
        }
        parts.push((name, rates.first().copied().unwrap_or(0.0) / sum * 100.0));
    }
    drop(sending);
    let mut values =
        vec![("worst_off_points", worst), ("worst_off_relative_percent", worst_relative)];
    values.extend(parts);
    Ok(values)
}
