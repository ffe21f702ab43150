//! 64-byte frames from a UDP socket, flat out, VM to uplink: what is delivered, and what it costs.
//!
//! The sender has core 0. Delivered is what the sink's interface received; a classifier drops it there, so
//! that what the guest would do with it is in nobody's figures. CPU per packet is the machine's busy time
//! less the sender's own (measured on a veth whose far end drops at the first look), over what was
//! delivered.

use crate::Plan;
use crate::report::{Report, Sample};
use crate::rig::{Peer, Rig};
use anyhow::Result;
use std::time::{Duration, Instant};
use system_tests::BedSpec;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::cpu::{Busy, cpu_time};
use system_tests::ns::output;
use system_tests::traffic::{Pace, Source};

/// 14 + 20 + 8 bytes of headers: 64 bytes in all without the trailer.
const PAYLOAD: usize = 22;
/// Flat out the sender is the limit and the worker spins; at a rate it costs what it needs.
const CASES: [(&str, Pace); 2] =
    [("udp 64 B", Pace::FlatOut), ("udp 64 B at 100 kpps", Pace::Rate(100_000))];
const WARM_UP: Duration = Duration::from_millis(300);

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let peers = plan.weirs_and("adaptive", "auto", &[Peer::Bridge]);
    for round in 1..=plan.rounds {
        let own_us = senders_own_us(plan)?;
        let both = CASES.iter().flat_map(|case| peers.iter().map(move |peer| (case, *peer)));
        for ((case, pace), peer) in both {
            let rig = Rig::new(peer, 1)?;
            let run = run(&rig, *pace, plan.time)?;
            rig.finish()?;
            let cpu_us = (run.busy_us - own_us * run.sent) / run.delivered.max(1.0);
            let values = vec![
                ("mpps", run.delivered / run.seconds / 1e6),
                ("offered_mpps", run.sent / run.seconds / 1e6),
                ("cpu_us_per_packet", cpu_us),
                ("senders_own_us", own_us),
                ("process_us_per_packet", run.process_us / run.delivered.max(1.0)),
            ];
            report.add(
                plan.rounds,
                Sample { case: (*case).into(), peer: peer.name(), round, values },
            );
        }
    }
    Ok(())
}

pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) sent: f64,
    pub(crate) delivered: f64,
    pub(crate) busy_us: f64,
    /// Of weir's process; 0 for other peers.
    pub(crate) process_us: f64,
}

pub(crate) fn run(rig: &Rig, pace: Pace, time: Duration) -> Result<Run> {
    let (guest, up) = (rig.bed.guest(0)?, &rig.bed.uplink);
    up.ns.tc(&format!("qdisc replace dev {GUEST_IF} clsact"))?;
    // Classic BPF: return TC_ACT_SHOT.
    let filter = ["filter", "replace", "dev", GUEST_IF, "ingress", "prio", "1", "bpf", "da"];
    output(up.ns.cmd("tc").args(filter).args(["bytecode", "1,6 0 0 2"]))?;
    let to = up.socket(Family::V4, 9000);
    let source = Source { size: PAYLOAD, pace, core: Some(0), ..Source::to(to) };
    let sending = source.start(&guest.ns)?;
    std::thread::sleep(WARM_UP);
    let arrived = || Ok::<_, anyhow::Error>(up.ns.counter(GUEST_IF)?.rx_packets as f64);
    let (start, arrived_0, sent_0, busy_0) =
        (Instant::now(), arrived()?, sending.so_far(), Busy::now()?);
    let process = || rig.weir().ok().map(|weir| cpu_time(weir.pid())).transpose();
    let process_0 = process()?;
    std::thread::sleep(time);
    let process_1 = process()?;
    let (seconds, arrived_1, sent_1, busy_1) =
        (start.elapsed().as_secs_f64(), arrived()?, sending.so_far(), Busy::now()?);
    sending.stop()?;
    Ok(Run {
        seconds,
        sent: (sent_1 - sent_0) as f64,
        delivered: arrived_1 - arrived_0,
        busy_us: busy_1.since(&busy_0).as_secs_f64() * 1e6,
        process_us: process_1
            .zip(process_0)
            .map_or(0.0, |(now, then)| (now - then).as_secs_f64() * 1e6),
    })
}

/// What a packet costs its sender, everything behind its veth left out.
pub(crate) fn senders_own_us(plan: &Plan) -> Result<f64> {
    let bed = BedSpec::vms(1).direct().guest_gro(false).build()?;
    let guest = bed.guest(0)?;
    let to = bed.uplink.socket(Family::V4, 9000);
    // Somebody else's address: the far end drops it at the first look.
    guest.ns.ip(&format!(
        "neighbour replace {} lladdr 02:00:00:00:ee:ee dev {GUEST_IF} nud permanent",
        to.ip()
    ))?;
    let time = plan.time.min(Duration::from_secs(1));
    let source =
        Source { size: PAYLOAD, pace: Pace::FlatOut, core: Some(0), time, ..Source::to(to) };
    let before = Busy::now()?;
    let sent = source.start(&guest.ns)?.finish();
    let busy_us = Busy::now()?.since(&before).as_secs_f64() * 1e6;
    Ok(busy_us / (sent?.frames as f64).max(1.0))
}
