//! Half-open connections, every one another flow, beside a VM that sends 1000 packets a second and
//! one that sends all it can: what many flows cost the others, against as many packets of one flow.

use super::{CAPACITY, known_flows, mib};
use crate::isolate::load::{self, Polite, WARM_UP};
use crate::report::{Report, Sample};
use crate::rig::{Peer, Rig};
use crate::{Plan, live};
use anyhow::{Result, anyhow};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use system_tests::bed::Family;
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::{Pace, raw};
use system_tests::wait_for;

const CASE: &str = "syn flood";
const FLOWS: u32 = 1_000_000;
const FLOOD_PPS: u32 = 250_000;
const BULK_FRAME: usize = 1042;
const BULK: Pace = Pace::Rate(50_000);
/// The flooding VM, the one with the bulk flow, and the polite one.
const VMS: u8 = 3;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    report.base(CASE, "million");
    for round in 1..=plan.rounds {
        for (peer, flows) in [("none", None), ("one", Some(1)), ("million", Some(FLOWS))] {
            if !plan.wants(peer) {
                continue;
            }
            let rig =
                Rig::new(Peer::Measured { idle: "spin", mode: "auto", flows: CAPACITY }, VMS)?;
            let values = run(&rig, flows, plan.time)?;
            rig.finish()?;
            report.add(plan.rounds, Sample { case: CASE.into(), peer, round, values });
        }
    }
    Ok(())
}

/// The figures of a window of time that begins when each of the flood's flows has come once.
fn run(rig: &Rig, flows: Option<u32>, time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let (flooder, bulk, polite) = (rig.bed.guest(0)?, rig.bed.guest(1)?, rig.bed.guest(2)?);
    let (weir, up) = (rig.weir()?, &rig.bed.uplink);
    let watch = Watch::start(up, Some(polite), Keep::None, At::Native)?;
    let to = up.socket(Family::V4, 9001);
    let idle = load::alone(polite, to, &watch, time.min(Duration::from_secs(1)))?;
    let bulk_flow = load::flood(&bulk.ns, up.socket(Family::V4, 9000), BULK_FRAME, BULK)?;
    std::thread::sleep(WARM_UP);
    let before = weir.footprint()?;
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let measured = std::thread::scope(|scope| -> Result<_> {
        let (over, sent) = (&over, &sent);
        let flooding = flows.map(|flows| {
            scope.spawn(move || {
                let body = raw::syn4(flooder, up, (9, 9));
                let frame = raw::frame(up.mac(), flooder.mac(), &[], 0x0800, &body);
                let bounce = live::bounce(flows)?;
                live::paced(flooder, &frame, &bounce, FLOOD_PPS, u64::MAX, (over, sent))
            })
        });
        let window = (|| -> Result<_> {
            let most = Duration::from_secs(60);
            wait_for(most, "every flow of the flood to have come", || {
                flooding.is_none()
                    || flooding.as_ref().is_some_and(|flood| flood.is_finished())
                    || sent.load(Ordering::Relaxed) >= FLOWS.into()
            })?;
            let before = watch.from(polite)?.frames;
            let mut flow = Polite::start(polite, to, WARM_UP + time)?;
            std::thread::sleep(WARM_UP);
            flow.mark();
            let start = Instant::now();
            let (bytes, came, offered) = (
                watch.from(bulk)?.bytes,
                watch.from(flooder)?.frames,
                sent.load(Ordering::Relaxed),
            );
            std::thread::sleep(time);
            let seconds = start.elapsed().as_secs_f64();
            let per_second = |more: u64| more as f64 / seconds;
            let bulk_mbit = per_second(watch.from(bulk)?.bytes - bytes) * 8.0 / 1e6;
            let flood = per_second(watch.from(flooder)?.frames - came) / 1e6;
            let offered = per_second(sent.load(Ordering::Relaxed) - offered) / 1e6;
            Ok((bulk_mbit, flood, offered, flow.finish(&watch, before)?))
        })();
        over.store(true, Ordering::Relaxed);
        if let Some(flooding) = flooding {
            flooding.join().map_err(|_| anyhow!("the flood panicked"))??;
        }
        window
    })?;
    drop(bulk_flow);
    let after = weir.footprint()?;
    let (bulk_mbit, flood_mpps, offered_mpps, fared) = measured;
    Ok(vec![
        ("bulk_mbit", bulk_mbit),
        ("polite_arrived_percent", 100.0 - fared.loss_percent()),
        ("p50_us", fared.delay_us(0.5)),
        ("p99_us", fared.delay_us(0.99)),
        ("idle_p50_us", idle.delay_us(0.5)),
        ("idle_p99_us", idle.delay_us(0.99)),
        ("flood_mpps", flood_mpps),
        ("flood_offered_mpps", offered_mpps),
        ("flood_packets", sent.load(Ordering::Relaxed) as f64),
        ("known_flows", known_flows(weir)?),
        ("rss_before_mib", mib(before.resident)),
        ("rss_after_mib", mib(after.resident)),
    ])
}
