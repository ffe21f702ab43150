//! A probe's one-way times through weir, weir's own residence of the same packets, and the probe's
//! times over a bare veth, in turn.
//!
//! A packet on its way crosses a veth, weir, and another veth whose far end it has reached when the
//! kernel has taken it: so what the probe sees and weir does not is one veth, the floor. Weir takes
//! the time once all of a turn's packets are with the kernel: of a worker that is behind, and so
//! has several in a turn, the residence is a little longer than what the probe sees.

use super::CAPACITY;
use crate::Plan;
use crate::report::{Report, Sample};
use crate::rig::{Peer, Rig};
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::{Pace, Source};
use system_tests::{Weir, wait_for};
use weir_api::LatencyQuery;
use weir_api::blocking::wait;

const RATE: u64 = 10_000;
const PAYLOAD: usize = 158;
const CASE: &str = "agree at 10 kpps";
/// What has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(2);
/// Delays that the watch remembers.
const REMEMBERED: u64 = 1 << 16;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    for round in 1..=plan.rounds {
        let floor = probe(&Rig::new(Peer::Floor, 1)?, plan.time)?;
        let rig = Rig::new(Peer::Measured { idle: "spin", mode: "auto", flows: CAPACITY }, 1)?;
        let reset = LatencyQuery { reset: true, ..LatencyQuery::default() };
        wait(rig.weir()?.client().latency(reset))?;
        let through = probe(&rig, plan.time)?;
        let resided = residence(rig.weir()?, &rig.bed.guest(0)?.port)?;
        rig.finish()?;
        ensure!(
            resided.count >= through.count,
            "{} packets came, and the residence of {} was recorded",
            through.count,
            resided.count
        );
        let rest = |through: f64, resided: f64, floor: f64| through - resided - floor;
        let p50 = rest(through.p50_us, resided.p50_us, floor.p50_us);
        let p99 = rest(through.p99_us, resided.p99_us, floor.p99_us);
        let within = |rest: f64| f64::from(u8::from(rest.abs() <= floor.p99_us));
        let rows: [(&'static str, Vec<(&'static str, f64)>); 4] = [
            ("probe", through.values()),
            ("residence", resided.values()),
            ("floor", floor.values()),
            (
                "rest",
                vec![
                    ("p50_us", p50),
                    ("p99_us", p99),
                    ("p50_within_floors_p99", within(p50)),
                    ("p99_within_floors_p99", within(p99)),
                ],
            ),
        ];
        for (peer, values) in rows {
            report.base(CASE, "probe");
            report.add(plan.rounds, Sample { case: CASE.into(), peer, round, values });
        }
    }
    Ok(())
}

struct Times {
    p50_us: f64,
    p99_us: f64,
    count: u64,
}

impl Times {
    fn values(&self) -> Vec<(&'static str, f64)> {
        vec![("p50_us", self.p50_us), ("p99_us", self.p99_us), ("packets", self.count as f64)]
    }
}

/// Stamped datagrams, timed by a program at the far end.
fn probe(rig: &Rig, time: Duration) -> Result<Times> {
    let (guest, up) = (rig.bed.guest(0)?, &rig.bed.uplink);
    rig.bed.learn_neighbours()?;
    let interface = if rig.bed.spec.is_direct() { guest.port.as_str() } else { GUEST_IF };
    let watch = Watch::start_on(&up.ns, interface, Some(guest), Keep::None, At::Native)?;
    let count = (time.as_secs_f64() * RATE as f64) as u64;
    ensure!(count <= REMEMBERED, "at most {} seconds", REMEMBERED / RATE);
    let source = Source {
        size: PAYLOAD,
        pace: Pace::Spin(RATE),
        core: Some(0),
        count,
        time: time + PATIENCE,
        ..Source::to(up.socket(Family::V4, 9001))
    };
    let sent = source.send(&guest.ns)?.frames;
    // One that was lost has no time, here or there.
    let _ = wait_for(PATIENCE, "the last datagram", || {
        watch.from(guest).is_ok_and(|count| count.frames >= sent)
    });
    let mut delays = watch.delays_ns(0..sent as u32)?;
    delays.sort_unstable();
    let us = |quantile: f64| {
        let at = (delays.len().saturating_sub(1) as f64 * quantile).round() as usize;
        delays.get(at).map_or(f64::NAN, |ns| *ns as f64 / 1000.0)
    };
    Ok(Times { p50_us: us(0.5), p99_us: us(0.99), count: delays.len() as u64 })
}

/// What weir says of the packets of one source.
fn residence(weir: &Weir, port: &str) -> Result<Times> {
    let report = weir.latency()?;
    let vif = report.vifs.iter().find(|vif| vif.name == port);
    let times = vif.and_then(|vif| vif.stages.iter().find(|times| times.stage == "residence"));
    let summary = times.with_context(|| format!("no residence of {port}\n{report:#?}"))?.summary;
    let us = |ns: u64| ns as f64 / 1000.0;
    Ok(Times { p50_us: us(summary.p50_ns), p99_us: us(summary.p99_ns), count: summary.count })
}
