//! A VM that sends 1000 packets a second beside three that flood, on 200 Mb/s.
//!
//! Every figure is given beside the one of the same flow alone through the same peer, in the same
//! minute. Its generator has a real-time priority on the senders' core, under every peer: a VM
//! sends from a core of its own and does not wait for its neighbours' programs to be scheduled.

use super::load::{self, LARGE, Polite, WARM_UP};
use super::stage::{Peer, Promise, SENDERS, Scene, Stage};
use crate::Plan;
use crate::report::{Report, Sample};
use anyhow::Result;
use std::time::{Duration, Instant};
use system_tests::BedSpec;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::cpu::Busy;
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::udp_source::Sending;
use system_tests::traffic::{Pace, Source};

const LINK_MBIT: u32 = 200;
const FLOODS: usize = 3;
const PACED: Pace = Pace::Rate(100_000);

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let scene = Scene::new(plan, LINK_MBIT, &[Promise::EQUAL; FLOODS + 1]);
    for round in 1..=plan.rounds {
        for peer in Peer::wanted(&[Peer::Weir, Peer::Htb, Peer::Fifo], plan) {
            let stage = Stage::new(peer, &scene)?;
            let values = run(&stage, plan.time, LARGE, Pace::FlatOut)?.values;
            stage.finish()?;
            let case = "polite beside floods".into();
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}

/// What forwarding costs while it holds three floods down to their shares: the machine's busy time
/// less that of the same senders into the void.
pub(super) fn measure_paced(plan: &Plan, report: &mut Report) -> Result<()> {
    let scene = Scene::new(plan, LINK_MBIT, &[Promise::EQUAL; FLOODS + 1]);
    for round in 1..=plan.rounds {
        let own = senders_own(plan.time)?;
        for peer in Peer::wanted(&[Peer::Weir, Peer::Htb], plan) {
            let stage = Stage::new(peer, &scene)?;
            let run = run(&stage, plan.time, LARGE, PACED)?;
            stage.finish()?;
            let own = own * run.offered;
            let mut values = vec![
                ("cores", run.busy - own),
                ("senders_own_cores", own),
                ("offered_mpps", run.offered / 1e6),
            ];
            values.extend(run.values);
            let case = "polite beside paced floods".into();
            report.add(plan.rounds, Sample { case, peer: peer.name(), round, values });
        }
    }
    Ok(())
}

struct Run {
    values: Vec<(&'static str, f64)>,
    /// Busy cores, a mean over the window.
    busy: f64,
    /// Packets a second that the floods sent.
    offered: f64,
}

fn sum(sending: &[Sending]) -> f64 {
    sending.iter().map(Sending::so_far).sum::<u64>() as f64
}

fn run(stage: &Stage, time: Duration, frame: usize, pace: Pace) -> Result<Run> {
    let (polite, up) = (stage.vm(FLOODS)?, &stage.bed.uplink);
    let watch = Watch::start(up, Some(polite), Keep::None, At::Native)?;
    let to = up.socket(Family::V4, 9001);
    let idle = load::alone(polite, to, &watch, time.min(Duration::from_secs(2)))?;
    let sending = load::floods(stage, FLOODS, frame, pace)?;
    let before = watch.from(polite)?.frames;
    let mut flow = Polite::start(polite, to, WARM_UP + time)?;
    std::thread::sleep(WARM_UP);
    flow.mark();
    let (start, busy, sent) = (Instant::now(), Busy::now()?, sum(&sending));
    let rates = load::rates_mbit(&watch, &stage.bed.guests, time)?;
    let seconds = start.elapsed().as_secs_f64();
    let busy = Busy::now()?.since(&busy).as_secs_f64() / seconds;
    let offered = (sum(&sending) - sent) / seconds;
    let fared = flow.finish(&watch, before)?;
    drop(sending);
    let floods = rates.get(..FLOODS).unwrap_or_default();
    let values = vec![
        ("p99_us", fared.delay_us(0.99)),
        ("p50_us", fared.delay_us(0.5)),
        ("max_us", fared.delay_us(1.0)),
        ("loss_percent", fared.loss_percent()),
        ("idle_p50_us", idle.delay_us(0.5)),
        ("idle_p99_us", idle.delay_us(0.99)),
        ("floods_off_equal_percent", load::from_equal_percent(floods)),
        ("link_percent", rates.iter().sum::<f64>() / f64::from(LINK_MBIT) * 100.0),
    ];
    Ok(Run { values, busy, offered })
}

/// Core seconds a packet of the paced floods costs its senders, the light flow included, when the
/// far end of their veths drops at the first look.
fn senders_own(time: Duration) -> Result<f64> {
    let bed = BedSpec::vms(FLOODS as u8 + 1).direct().guest_gro(false).build()?;
    let to = bed.uplink.socket(Family::V4, 9000);
    for guest in &bed.guests {
        // Somebody else's address.
        guest.ns.ip(&format!(
            "neighbour replace {} lladdr 02:00:00:00:ee:ee dev {GUEST_IF} nud permanent",
            to.ip()
        ))?;
    }
    let polite = Source {
        pace: Pace::Rate(load::POLITE_RATE),
        core: Some(SENDERS),
        urgent: true,
        ..Source::to(to)
    };
    let _polite = polite.start(&bed.guest(FLOODS)?.ns)?;
    let sending: Vec<Sending> = (0..FLOODS)
        .map(|at| load::flood(&bed.guest(at)?.ns, to, LARGE, PACED))
        .collect::<Result<_>>()?;
    std::thread::sleep(WARM_UP);
    let (busy, sent) = (Busy::now()?, sum(&sending));
    std::thread::sleep(time);
    let busy = Busy::now()?.since(&busy).as_secs_f64();
    Ok(busy / (sum(&sending) - sent).max(1.0))
}
