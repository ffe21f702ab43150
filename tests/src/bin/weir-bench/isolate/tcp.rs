//! Four VMs with a bulk TCP flow each, offloads at their defaults, and the light flow, on 200 Mb/s:
//! equal shares, the light flow's delay, and how full the link is.

use super::load::{self, Polite, WARM_UP};
use super::stage::{Peer, Promise, Scene, Stage};
use crate::Plan;
use crate::report::{Report, Sample};
use anyhow::{Result, anyhow};
use std::time::Duration;
use system_tests::Guest;
use system_tests::bed::Family;
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::{TcpResult, tcp};

const LINK_MBIT: u32 = 200;
const BULKS: usize = 4;
/// Slow start is over, and the queues are as full as they get.
const TCP_WARM_UP: Duration = Duration::from_secs(1);
/// Both ends on the senders' core.
const PINNED: [&str; 2] = ["-A", "0,0"];

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let scene = Scene::new(plan, LINK_MBIT, &[Promise::EQUAL; BULKS + 1]);
    for round in 1..=plan.rounds {
        for peer in Peer::wanted(&[Peer::Weir, Peer::Htb, Peer::Fifo], plan) {
            let stage = Stage::new(peer, &scene)?;
            let values = run(&stage, plan.time)?;
            stage.finish()?;
            let case = "tcp beside polite".into();
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}

fn run(stage: &Stage, time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let (polite, up) = (stage.vm(BULKS)?, &stage.bed.uplink);
    // On finished skbs: natively it would turn segmentation off towards the uplink host.
    let watch = Watch::start(up, Some(polite), Keep::All, At::Skb)?;
    // Somebody has to take the datagrams, or ICMP would come back; nobody has to read them.
    let _bound = up.ns.run(|| Ok(std::net::UdpSocket::bind(up.socket(Family::V4, 9001))?))?;
    let to = up.socket(Family::V4, 9001);
    let idle = load::alone(polite, to, &watch, time.min(Duration::from_secs(2)))?;
    let bulks: Vec<(&Guest, u32)> = stage.bed.guests.iter().take(BULKS).map(|vm| (vm, 1)).collect();
    let (window, goodput) = beside(&bulks, up, time, || {
        let before = watch.from(polite)?.frames;
        let mut flow = Polite::start(polite, to, WARM_UP + time)?;
        std::thread::sleep(WARM_UP);
        flow.mark();
        let rates = load::rates_mbit(&watch, &stage.bed.guests, time)?;
        Ok((rates, flow.finish(&watch, before)?))
    })?;
    let (rates, fared) = window;
    let bulk = rates.get(..BULKS).unwrap_or_default();
    let goodput: Vec<f64> = goodput.iter().map(|result| result.bits_per_second / 1e6).collect();
    Ok(vec![
        ("p99_us", fared.delay_us(0.99)),
        ("p50_us", fared.delay_us(0.5)),
        ("loss_percent", fared.loss_percent()),
        ("idle_p50_us", idle.delay_us(0.5)),
        ("idle_p99_us", idle.delay_us(0.99)),
        ("off_equal_percent", load::from_equal_percent(bulk)),
        ("link_percent", rates.iter().sum::<f64>() / f64::from(LINK_MBIT) * 100.0),
        ("goodput_mbit", goodput.iter().sum()),
        ("goodput_off_equal_percent", load::from_equal_percent(&goodput)),
    ])
}

/// Runs so many TCP flows from each VM and, once they are under way, `f` for about `time`.
pub(super) fn beside<T>(
    bulks: &[(&Guest, u32)],
    up: &Guest,
    time: Duration,
    f: impl FnOnce() -> Result<T>,
) -> Result<(T, Vec<TcpResult>)> {
    let lasts = TCP_WARM_UP + WARM_UP + time + Duration::from_secs(1);
    std::thread::scope(|scope| {
        let flows: Vec<_> = bulks
            .iter()
            .map(|&(vm, flows)| scope.spawn(move || tcp(vm, up, Family::V4, flows, lasts, &PINNED)))
            .collect();
        std::thread::sleep(TCP_WARM_UP);
        let result = f();
        let results: Result<Vec<TcpResult>> = flows
            .into_iter()
            .map(|flow| flow.join().map_err(|_| anyhow!("a TCP flow panicked"))?)
            .collect();
        Ok((result?, results?))
    })
}
