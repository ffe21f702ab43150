//! What telling 10 000 flows apart takes in memory, with a histogram for each: against the same
//! load through a weir that measures nothing.

use super::{known_flows, mib};
use crate::report::{Report, Sample};
use crate::rig::{Peer, Rig};
use crate::{Plan, live};
use anyhow::{Context, Result, ensure};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use system_tests::observer::{At, Keep, Watch};
use system_tests::wait_for;
use weir_core::latency::{SHORTEST_NS, histogram};

const CASE: &str = "memory of 10000 flows";
const FLOWS: u32 = 10_000;
/// The table has room for all of them, and for what else is said meanwhile.
const CAPACITY: u32 = 16_384;
/// Delivered packets of each flow; so many give it a histogram.
const EACH: u64 = 20;
const PPS: u32 = 50_000;
/// A time at which the relative resolution is in force.
const LONG_NS: u64 = 1_000_000;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    report.base(CASE, "measured");
    let peer = |flows| Peer::Measured { idle: "adaptive", mode: "auto", flows };
    for round in 1..=plan.rounds {
        let mut without = None;
        for peer in plan.peers(&[peer(0), peer(CAPACITY)]) {
            let rig = Rig::new(peer, 1)?;
            let (grew, resident) = run(&rig)?;
            let mut values = vec![("rss_mib", mib(resident)), ("grew_mib", mib(grew))];
            if peer.name() == "measured" {
                let known = known_flows(rig.weir()?)?;
                ensure!(known >= f64::from(FLOWS), "only {known} flows are known");
                if let Some(without) = without {
                    values.push(("cost_mib", mib(resident) - mib(without)));
                }
                let width = histogram::<u64>().equivalent_range(LONG_NS);
                values.extend([
                    ("flows", known),
                    ("packets_each", EACH as f64),
                    ("resolution_ns", SHORTEST_NS as f64),
                    ("resolution_percent", width as f64 / LONG_NS as f64 * 100.0),
                ]);
            } else {
                without = Some(resident);
            }
            rig.finish()?;
            report.add(plan.rounds, Sample { case: CASE.into(), peer: peer.name(), round, values });
        }
    }
    Ok(())
}

/// How much resident memory grew by the load, and what it is then.
fn run(rig: &Rig) -> Result<(u64, u64)> {
    let (guest, up, weir) = (rig.bed.guest(0)?, &rig.bed.uplink, rig.weir()?);
    let watch = Watch::start(up, None, Keep::None, At::Native)?;
    let before = weir.footprint()?.resident;
    let (frame, bounce) = (live::udp_frame(guest, up), live::bounce(FLOWS)?);
    let count = u64::from(FLOWS) * EACH;
    let shared = (&AtomicBool::new(false), &AtomicU64::new(0));
    live::paced(guest, &frame, &bounce, PPS, count, shared)?;
    // Some packets may be lost on a busy machine; of each flow most have come.
    let enough = || watch.from(guest).is_ok_and(|came| came.frames >= count * 9 / 10);
    wait_for(Duration::from_secs(5), "nine of ten packets", enough)
        .with_context(|| format!("of {count} came {:?}", watch.from(guest)))?;
    let after = weir.footprint()?.resident;
    Ok((after.saturating_sub(before), after))
}
