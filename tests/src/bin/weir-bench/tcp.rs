//! One TCP flow each way, VM and uplink and VM to VM, IPv4 and IPv6, offloads at their defaults.

use crate::Plan;
use crate::report::{Report, Sample};
use crate::rig::{Peer, Rig};
use anyhow::Result;
use system_tests::bed::{FAMILIES, Family};
use system_tests::traffic::tcp;

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let peers = plan.weirs_and("adaptive", "auto", &[Peer::Bridge]);
    for round in 1..=plan.rounds {
        for family in FAMILIES {
            for way in ["VM -> uplink", "uplink -> VM", "VM -> VM"] {
                for &peer in &peers {
                    let rig = Rig::new(peer, 2)?;
                    let (one, two, up) = (rig.bed.guest(0)?, rig.bed.guest(1)?, &rig.bed.uplink);
                    let (from, to) = match way {
                        "VM -> uplink" => (one, up),
                        "uplink -> VM" => (up, one),
                        _ => (one, two),
                    };
                    let result = tcp(from, to, family, 1, plan.time, &[])?;
                    rig.finish()?;
                    let family = if family == Family::V4 { "IPv4" } else { "IPv6" };
                    let values = vec![
                        ("gbps", result.bits_per_second / 1e9),
                        ("retransmits", result.retransmits as f64),
                    ];
                    let case = format!("tcp {family} {way}");
                    report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
                }
            }
        }
    }
    Ok(())
}
