//! Ten TCP connections in one VM against one in another, equal weights, 200 Mb/s: a VM is one
//! party, however many connections it opens.

use super::load;
use super::stage::{Peer, Promise, Scene, Stage};
use super::tcp::beside;
use crate::Plan;
use crate::report::{Report, Sample};
use anyhow::Result;
use std::time::Duration;
use system_tests::observer::{At, Keep, Watch};

const LINK_MBIT: u32 = 200;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let scene = Scene::new(plan, LINK_MBIT, &[Promise::EQUAL; 2]);
    for round in 1..=plan.rounds {
        for peer in Peer::wanted(&[Peer::Weir, Peer::Htb, Peer::Fifo], plan) {
            let stage = Stage::new(peer, &scene)?;
            let values = run(&stage, plan.time)?;
            stage.finish()?;
            let case = "ten connections against one".into();
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}

fn run(stage: &Stage, time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let up = &stage.bed.uplink;
    let watch = Watch::start(up, None, Keep::All, At::Skb)?;
    let bulks = [(stage.vm(0)?, 10), (stage.vm(1)?, 1)];
    let (rates, _) =
        beside(&bulks, up, time, || load::rates_mbit(&watch, &stage.bed.guests, time))?;
    let at = |vm: usize| rates.get(vm).copied().unwrap_or(0.0);
    Ok(vec![
        ("ten_over_one", at(0) / at(1)),
        ("off_equal_percent", load::from_equal_percent(&rates)),
        ("link_percent", rates.iter().sum::<f64>() / f64::from(LINK_MBIT) * 100.0),
        ("ten_mbit", at(0)),
        ("one_mbit", at(1)),
    ])
}
