//! The three release policies with T0 = 10 ms and without release to an idle link, as in the
//! published experiment: request/response from two VMs, where every request waits for its
//! container; then both VMs at full speed, where containers fill by themselves: as fast as their
//! core sends, and against a link that is slower than that.

use super::load::{self, LARGE, SMALL, WARM_UP};
use super::stage::{SENDERS, WORKER};
use crate::Plan;
use crate::report::{Report, Sample};
use anyhow::{Context, Result, anyhow};
use serde_json::json;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use system_tests::bed::{Family, UPLINK_PORT};
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::{Pace, ping};
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec, cpu};

/// The regulated policy over the others, as published.
const BASE: &str = "adaptive";
const POLICIES: [&str; 3] = ["adaptive", "fixed", "eager"];
const ASK: &str = "release: request/response";
const BULK: &str = "release: bulk";
const FULL: &str = "release: full link";
const LINK_MBIT: u32 = 200;
/// Longer than any answer takes: what is not answered by then is lost.
const PATIENCE: Duration = Duration::from_millis(300);

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    report.base(ASK, BASE);
    report.base(BULK, BASE);
    report.base(FULL, BASE);
    for round in 1..=plan.rounds {
        for policy in POLICIES.into_iter().filter(|policy| plan.wants(policy)) {
            let bed = BedSpec::vms(2).build()?;
            let spec = WeirSpec::default().workers(&[WORKER]).idle(plan.idle).lane(plan.lane);
            let spec = spec.container(&format!(
                "release = \"{policy}\"\ntimeout = \"10ms\"\nwork-conserving = false\n"
            ));
            let weir = Weir::start(&bed, &spec)?;
            bed.learn_neighbours()?;
            for guest in &bed.guests {
                let up = bed.uplink.addr(Family::V4);
                wait_ok(Duration::from_secs(5), "the path", || ping(&guest.ns, up, 1))?;
            }
            let asked = requests(&bed, plan.time)?;
            let bulk = vec![("mpps", flooded(&bed, SMALL, plan.time)? / (8.0 * SMALL as f64))];
            let rate = format!("{LINK_MBIT}Mbit");
            weir.patch(&json!({"ports": {UPLINK_PORT: {"rate": rate}}}))?;
            let full = vec![("mbit", flooded(&bed, LARGE, plan.time)?)];
            weir.assert_ledger()?;
            weir.stop()?;
            for (case, values) in [(ASK, asked), (BULK, bulk), (FULL, full)] {
                let sample = Sample { case: case.into(), peer: policy, round, values };
                report.add(plan.rounds, sample);
            }
        }
    }
    Ok(())
}

/// Two VMs ask one responder, each as soon as its last request is answered.
fn requests(bed: &Bed, time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let up = &bed.uplink;
    let responder = up.ns.run(|| Ok(UdpSocket::bind(up.socket(Family::V4, 9002))?))?;
    responder.set_read_timeout(Some(Duration::from_millis(50)))?;
    let to = responder.local_addr()?;
    let over = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || respond(&responder, over));
        let asking: Vec<_> =
            bed.guests.iter().map(|guest| scope.spawn(move || ask(guest, to, time))).collect();
        let asked: Result<Vec<Asked>> = asking
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
            .collect();
        over.store(true, Ordering::Relaxed);
        asked
    })?;
    let answers = asked.iter().map(|asked| asked.answers as f64).sum::<f64>();
    let waited: f64 = asked.iter().map(|asked| asked.waited.as_secs_f64()).sum();
    Ok(vec![
        ("answers_per_s", answers / time.as_secs_f64()),
        ("mean_us", waited * 1e6 / answers.max(1.0)),
        ("lost", asked.iter().map(|asked| asked.lost as f64).sum()),
    ])
}

fn respond(socket: &UdpSocket, over: &AtomicBool) {
    cpu::pin(SENDERS);
    let mut buffer = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(buffer.get(..len).unwrap_or_default(), from);
        }
    }
}

#[derive(Default)]
struct Asked {
    answers: u64,
    lost: u64,
    /// For the answers.
    waited: Duration,
}

fn ask(guest: &Guest, to: SocketAddr, time: Duration) -> Result<Asked> {
    let socket = guest.ns.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(to).context("no way to the responder")?;
        Ok(socket)
    })?;
    socket.set_read_timeout(Some(PATIENCE))?;
    cpu::pin(SENDERS);
    let (start, mut asked, mut buffer) = (Instant::now(), Asked::default(), [0; 2048]);
    let mut number = 0_u64;
    while start.elapsed() < time {
        number += 1;
        let sent = Instant::now();
        socket.send(&number.to_be_bytes())?;
        loop {
            match socket.recv(&mut buffer) {
                // A late answer to an earlier request is none to this one.
                Ok(8) if buffer.first_chunk() != Some(&number.to_be_bytes()) => {}
                Ok(_) => {
                    asked.answers += 1;
                    asked.waited += sent.elapsed();
                    break;
                }
                Err(_) => {
                    asked.lost += 1;
                    break;
                }
            }
        }
    }
    Ok(asked)
}

/// What comes of both VMs' floods, in Mb/s.
fn flooded(bed: &Bed, frame: usize, time: Duration) -> Result<f64> {
    let watch = Watch::start(&bed.uplink, None, Keep::None, At::Native)?;
    let to = bed.uplink.socket(Family::V4, 9000);
    let floods: Vec<_> = bed
        .guests
        .iter()
        .map(|guest| load::flood(&guest.ns, to, frame, Pace::FlatOut))
        .collect::<Result<_>>()?;
    std::thread::sleep(WARM_UP);
    let rates = load::rates_mbit(&watch, &bed.guests, time)?;
    drop(floods);
    Ok(rates.iter().sum())
}
