//! Four flooding VMs on 100 Mb/s: weights 1, 2 and 5, and one with a minimum rate above its share.

use super::load::{self, LARGE, SMALL, WARM_UP, flood};
use super::stage::{Peer, Promise, Scene, Stage};
use crate::Plan;
use crate::report::{Report, Sample};
use anyhow::Result;
use std::time::Instant;
use system_tests::bed::Family;
use system_tests::fair;
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::Pace;
use system_tests::traffic::udp_source::Sending;

const LINK_MBIT: u32 = 100;
const NAMES: [&str; 4] = ["v1_mbit", "v2_mbit", "v3_mbit", "v4_mbit"];

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let mut promises = [1, 2, 5, 1].map(Promise::weight);
    promises[3].min_mbit = 40;
    let scene = Scene::new(plan, LINK_MBIT, &promises);
    let mixes = [
        ("shares 1458 B", [LARGE; 4]),
        ("shares 64 B beside 1458 B", [SMALL, LARGE, SMALL, LARGE]),
    ];
    for round in 1..=plan.rounds {
        for (case, frames) in mixes {
            for peer in Peer::wanted(&[Peer::Weir, Peer::Htb, Peer::Fifo], plan) {
                let stage = Stage::new(peer, &scene)?;
                let values = run(&stage, &scene, frames, plan)?;
                stage.finish()?;
                let sample = Sample { case: case.into(), peer: peer.name(), round, values };
                report.add(plan.rounds, sample);
            }
        }
    }
    Ok(())
}

fn run(
    stage: &Stage,
    scene: &Scene,
    frames: [usize; 4],
    plan: &Plan,
) -> Result<Vec<(&'static str, f64)>> {
    let watch = Watch::start(&stage.bed.uplink, None, Keep::None, At::Native)?;
    let to = stage.bed.uplink.socket(Family::V4, 9000);
    let mut sending = Vec::new();
    for (guest, frame) in stage.bed.guests.iter().zip(frames) {
        sending.push(flood(&guest.ns, to, frame, Pace::FlatOut)?);
    }
    std::thread::sleep(WARM_UP);
    let (start, before): (_, Vec<u64>) =
        (Instant::now(), sending.iter().map(Sending::so_far).collect());
    let rates = load::rates_mbit(&watch, &stage.bed.guests, plan.time)?;
    let seconds = start.elapsed().as_secs_f64();
    let offered = sending.iter().zip(before).zip(frames).map(|((sending, before), frame)| {
        (sending.so_far() - before) as f64 * frame as f64 * 8.0 / 1e6 / seconds
    });
    let sum: f64 = rates.iter().sum();
    let owed = scene.owed();
    // Below one a VM asked for less than its share, and the round says nothing about the others'.
    let least_offered =
        offered.zip(&owed).map(|(offered, owed)| offered / owed).fold(f64::INFINITY, f64::min);
    drop(sending);
    // Of what the link really carried, so that a link a little below its rate is told apart from
    // a wrong division.
    let owed_of_sum: Vec<f64> =
        owed.iter().map(|owed| owed * sum / f64::from(scene.mbit)).collect();
    let mut values = vec![
        ("worst_off_percent", fair::worst_percent(&rates, &owed)),
        ("worst_off_of_sum_percent", fair::worst_percent(&rates, &owed_of_sum)),
        ("least_offered_over_owed", least_offered),
        ("link_percent", sum / f64::from(scene.mbit) * 100.0),
    ];
    values.extend(NAMES.into_iter().zip(rates));
    Ok(values)
}
