//! 50 000 packets a second, VM to uplink: nothing may be lost, and how long each takes.
//!
//! Open loop: the sender spins on core 0 and never waits for the path. The receiver blocks in
//! `recv` on core 1, as a program would, so its waking up is in every figure; the floor (one veth,
//! nothing in between) shows how much of it that is. With two cores it shares one with weir's
//! spinning worker: the tail is then the scheduler's time slice and says little about the path.

use crate::Plan;
use crate::report::{Report, Sample};
use crate::rig::{Peer, Rig};
use anyhow::Result;
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::traffic::{Pace, Sink, Source};

const RATE: u64 = 50_000;
const PAYLOAD: usize = 22;

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let peers = plan.peers(&[plan.weir("spin", "auto"), Peer::Bridge, Peer::Floor]);
    for round in 1..=plan.rounds {
        for &peer in &peers {
            let rig = Rig::new(peer, 1)?;
            let values = run(&rig, plan.time)?;
            rig.finish()?;
            let case = "latency at 50 kpps".into();
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}

fn run(rig: &Rig, time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let (guest, up) = (rig.bed.guest(0)?, &rig.bed.uplink);
    if rig.bed.spec.is_direct() {
        // Without a host the uplink has one interface per guest; nothing to teach.
        rig.bed.learn_neighbours()?;
    }
    let sink = Sink::start_on(&up.ns, up.socket(Family::V4, 0), Some(1))?;
    let pace = Pace::Spin(RATE);
    let source = Source { size: PAYLOAD, pace, core: Some(0), time, ..Source::to(sink.addr()) };
    let sent = source.start(&guest.ns)?.finish()?;
    let _ = sink.wait_for(sent.frames, Duration::from_secs(1));
    let received = sink.finish()?;
    let us = |q: f64| received.latency_ns.value_at_quantile(q) as f64 / 1000.0;
    Ok(vec![
        ("p50_us", us(0.5)),
        ("p99_us", us(0.99)),
        ("max_us", received.latency_ns.max() as f64 / 1000.0),
        ("sent", sent.frames as f64),
        ("lost", sent.frames.saturating_sub(received.unique(0)) as f64),
    ])
}
