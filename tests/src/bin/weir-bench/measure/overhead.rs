//! What is delivered, and what a packet costs, with everything measured and with nothing: at the
//! worker's limit by live frames, and from a UDP socket.

use super::CAPACITY;
use crate::report::{Report, Sample};
use crate::rig::{Peer, Rig};
use crate::{Plan, live, udp};
use anyhow::Result;

/// All of one flow, where what is remembered of the last packet helps, and so many that it does not.
const FLOWS: [u32; 2] = [1, 1000];

pub(super) fn measure(plan: &Plan, flows: Option<u32>, report: &mut Report) -> Result<()> {
    let several = flows.map_or_else(|| FLOWS.to_vec(), |flows| vec![flows]);
    for round in 1..=plan.rounds {
        for &flows in &several {
            for peer in peers(plan, round, "spin", "native") {
                let rig = Rig::new(peer, 1)?;
                let values = live::run(&rig, plan.time, flows)?;
                rig.finish()?;
                let case = format!("overhead, live, {flows} flows");
                report.base(&case, "measured");
                report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
            }
        }
        let own_us = udp::senders_own_us(plan)?;
        for peer in peers(plan, round, "adaptive", "auto") {
            let rig = Rig::new(peer, 1)?;
            let run = udp::run(&rig, system_tests::traffic::Pace::FlatOut, plan.time)?;
            rig.finish()?;
            let values = vec![
                ("mpps", run.delivered / run.seconds / 1e6),
                ("cpu_us_per_packet", run.busy_us / run.delivered.max(1.0) - own_us),
                ("offered_mpps", run.sent / run.seconds / 1e6),
            ];
            let case = "overhead, udp".to_owned();
            report.base(&case, "measured");
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}

/// Each goes first every other round.
fn peers(plan: &Plan, round: u32, idle: &'static str, mode: &'static str) -> Vec<Peer> {
    let peer = |flows| Peer::Measured { idle, mode, flows };
    let mut both = [peer(CAPACITY), peer(0)];
    if round.is_multiple_of(2) {
        both.reverse();
    }
    plan.peers(&both)
}
