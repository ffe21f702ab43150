//! 1.5 million small packets a second offered to a link of 200 Mb/s, beside the light flow:
//! what overload costs those who do not cause it, and the worker.
//!
//! The floods are XDP live frames, sent in bursts that hold their rate over some milliseconds:
//! sockets on one core would not offer as much.

use super::load::{self, Polite, SMALL, WARM_UP};
use super::stage::{Peer, Promise, Scene, Stage, Towards};
use crate::Plan;
use crate::live;
use crate::report::{Report, Sample};
use anyhow::{Context as _, Result, anyhow};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use system_tests::bed::Family;
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::raw;
use system_tests::{Guest, ledger};
use weir_api::StatsReport;

const LINK_MBIT: u32 = 200;
const OFFERED_PPS: u32 = 1_500_000;
const FLOODS: usize = 3;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let mut out = Scene::new(plan, LINK_MBIT, &[Promise::EQUAL; FLOODS + 1]);
    out.host_gro = true;
    let mut inward = Scene::new(plan, LINK_MBIT, &[Promise::EQUAL; 2]);
    (inward.host_gro, inward.towards) = (true, Towards::FirstGuest);
    for round in 1..=plan.rounds {
        for (case, scene) in [("overload outbound", &out), ("overload inbound", &inward)] {
            for peer in Peer::wanted(&[Peer::Weir, Peer::Htb], plan) {
                let stage = Stage::new(peer, scene)?;
                let values = match scene.towards {
                    Towards::Uplink => outbound(&stage, plan.time)?,
                    Towards::FirstGuest => inbound(&stage, plan.time)?,
                };
                stage.finish()?;
                let sample = Sample { case: case.into(), peer: peer.name(), round, values };
                report.add(plan.rounds, sample);
            }
        }
    }
    Ok(())
}

/// Three VMs flood the uplink host, a fourth sends the light flow there.
fn outbound(stage: &Stage, time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let (polite, up) = (stage.vm(FLOODS)?, &stage.bed.uplink);
    let watch = Watch::start(up, Some(polite), Keep::None, At::Native)?;
    let floods: Vec<(&Guest, &Guest)> =
        stage.bed.guests.iter().take(FLOODS).map(|vm| (vm, up)).collect();
    beside(stage, &floods, (polite, up), (&watch, &watch), time)
}

/// The uplink host floods the first VM, whose link is shaped, and sends the light flow to the
/// second.
fn inbound(stage: &Stage, time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let (one, two, up) = (stage.vm(0)?, stage.vm(1)?, &stage.bed.uplink);
    let flooded = Watch::start(one, None, Keep::None, At::Native)?;
    let watch = Watch::start(two, Some(up), Keep::None, At::Native)?;
    beside(stage, &[(up, one)], (up, two), (&watch, &flooded), time)
}

/// The light flow between two, watched by the first; the floods' link by the second.
fn beside(
    stage: &Stage,
    floods: &[(&Guest, &Guest)],
    (from, to): (&Guest, &Guest),
    (watch, flooded): (&Watch, &Watch),
    time: Duration,
) -> Result<Vec<(&'static str, f64)>> {
    let address = to.socket(Family::V4, 9001);
    let idle = load::alone(from, address, watch, time.min(Duration::from_secs(2)))?;
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let pps = OFFERED_PPS / floods.len().max(1) as u32;
    std::thread::scope(|scope| {
        let (over, sent) = (&over, &sent);
        let flooding: Vec<_> = floods
            .iter()
            .map(|&(from, to)| scope.spawn(move || flood(from, to, pps, over, sent)))
            .collect();
        let measured = (|| -> Result<Vec<(&'static str, f64)>> {
            let before = watch.from(from)?.frames;
            let mut flow = Polite::start(from, address, WARM_UP + time)?;
            std::thread::sleep(WARM_UP);
            flow.mark();
            let senders: Vec<&Guest> = floods.iter().map(|(from, _)| *from).collect();
            let bytes = || -> Result<u64> {
                senders.iter().map(|guest| Ok(flooded.from(guest)?.bytes)).sum()
            };
            let (start, stats, frames, came) =
                (Instant::now(), stats(stage)?, sent.load(Ordering::Relaxed), bytes()?);
            std::thread::sleep(time);
            let seconds = start.elapsed().as_secs_f64();
            let came = bytes()? - came;
            let offered = (sent.load(Ordering::Relaxed) - frames) as f64 / seconds;
            let worker = worker(stats.as_ref(), self::stats(stage)?.as_ref(), seconds)?;
            let fared = flow.finish(watch, before)?;
            let mut values = vec![
                ("p99_us", fared.delay_us(0.99)),
                ("p50_us", fared.delay_us(0.5)),
                ("loss_percent", fared.loss_percent()),
                ("idle_p50_us", idle.delay_us(0.5)),
                ("idle_p99_us", idle.delay_us(0.99)),
                ("offered_mpps", offered / 1e6),
                ("floods_mbit", came as f64 * 8.0 / 1e6 / seconds),
            ];
            values.extend(worker);
            Ok(values)
        })();
        over.store(true, Ordering::Relaxed);
        for thread in flooding {
            thread.join().map_err(|_| anyhow!("a flood panicked"))??;
        }
        measured
    })
}

fn stats(stage: &Stage) -> Result<Option<StatsReport>> {
    stage.weir.as_ref().map(system_tests::Weir::stats).transpose()
}

/// How busy the workers were, and what never got to them; nothing of a peer without workers.
fn worker(
    before: Option<&StatsReport>,
    after: Option<&StatsReport>,
    seconds: f64,
) -> Result<Vec<(&'static str, f64)>> {
    let (Some(before), Some(after)) = (before, after) else { return Ok(Vec::new()) };
    let busy = |stats: &StatsReport| {
        let worker = stats.worker.first().context("no worker")?;
        anyhow::Ok(worker.regimes.busy.ns as f64)
    };
    let lost = |reason: &str| {
        (ledger::lost_under(after, reason) - ledger::lost_under(before, reason)) as f64
    };
    Ok(vec![
        ("worker_busy_percent", (busy(after)? - busy(before)?) / seconds / 1e7),
        ("shed_mpps", lost("shed") / seconds / 1e6),
        ("queue_full_mpps", lost("queue_full") / seconds / 1e6),
        ("rx_ring_full_mpps", lost("rx_ring_full") / seconds / 1e6),
    ])
}

/// Live frames at a rate until told to stop.
fn flood(from: &Guest, to: &Guest, pps: u32, over: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    let body = raw::udp4(from, to, (9, 9), &[0; SMALL - 42]);
    let frame = raw::frame(to.mac(), from.mac(), &[], 0x0800, &body);
    live::paced(from, &frame, &live::bounce(1)?, pps, u64::MAX, (over, sent))
}
