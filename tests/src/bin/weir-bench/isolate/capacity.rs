//! The worker's limit with 64-byte frames, against another binary: what isolation costs.

use crate::Plan;
use crate::live;
use crate::report::{Report, Sample};
use crate::rig::Rig;
use anyhow::{Result, ensure};

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    ensure!(
        plan.against.is_some(),
        "`isolate capacity` compares with the binary given by --against PATH"
    );
    for round in 1..=plan.rounds {
        for peer in plan.weirs("spin", "native") {
            let rig = Rig::new(peer, 1)?;
            let values = live::run(&rig, plan.time)?;
            rig.finish()?;
            let case = "capacity 64 B".into();
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}
