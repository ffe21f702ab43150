//! The worker's limit with 64-byte frames, against another binary: what isolation costs.

use crate::Plan;
use crate::live;
use crate::report::{Report, Sample};
use crate::rig::{Peer, Rig};
use anyhow::{Result, ensure};
use std::path::Path;

pub(super) fn measure(plan: &Plan, against: &Path, report: &mut Report) -> Result<()> {
    ensure!(against.exists(), "there is no {}", against.display());
    // Once for the process: peers are plain values.
    let binary: &'static Path = Box::leak(against.to_path_buf().into_boxed_path());
    for round in 1..=plan.rounds {
        for peer in plan.peers(&[Peer::Weir { idle: "spin", mode: "native" }, Peer::Other(binary)])
        {
            let rig = Rig::new(peer, 1)?;
            let values = live::run(&rig, plan.time, 1)?;
            rig.finish()?;
            let case = "capacity 64 B".into();
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}
