//! The events of a cell, from its first second to its last, and their measurement.
//!
//! - [`play`]: plays a whole cell; `timeline`: the times of all beginnings, changes and ends
//! - `cast`: the ways that traffic takes, and its counters
//! - `senders/`: traffic; `loads`: load on CPU and disk
//! - `meters/`: rates by sender, CPU, events of the forwarder
//! - `sums/`: the resulting quantities
//!
//! Quantities are named `WINDOW.WHO.WHAT`. WHO is `vm1` and so on for the traffic that VM 1 sends (with
//! routers: that passes router 1; in `E-receive` and the like: that VM 1 receives), `all` for all VMs
//! together, a traffic's own name if it has one, `cpu`, `weir` or `events`. VMs count in the windows in
//! which they send or receive.
//!
//! | what | of whom | meaning |
//! |---|---|---|
//! | `mbit`, `kpps` | vmN, all, own names | received at the far end, whole frames, merged segments as they were on the wire; of an own name only where nothing else comes the same way |
//! | `goodput_mbit` | vmN, all, own names | payload of `tcp`, as iperf3's receivers count it |
//! | `offered_mbit`, `offered_kpps`, `loss` | vmN, all, own names | what floods and probes sent; loss is a fraction, 0 to 1; absent beside traffic that does not count what it offers |
//! | `owed_mbit`, `of_owed` | vmN | by promises and the link (see `Scene::owed`), and received over owed; a sender that waits for answers asks for what it gets |
//! | `least`, `most` | vmN | of the slices in the window: the smallest and largest received over owed; over the window's mean where nothing is owed |
//! | `jain`, `jain_kpps` | all | Jain's index of the VMs' rates |
//! | `resent` | all | TCP segments that VMs and the uplink host sent again; only where they send by TCP |
//! | `off_owed` | all | the worst of the VMs' \|received / owed - 1\| |
//! | `link` | all | received over the link's rate |
//! | `mean_us`, `sd_us`, `p50_us`, `p99_us`, `p999_us`, `jitter_us`, `answers_per_s` | probes, asks, records | delay, round trip or response time; RFC 3550 jitter |
//! | `total`, `beyond`, `worker`, `senders`, `process` | cpu | cores busy: all; all but the senders' own; the worker's; the senders'; weir's process |
//! | `us_per_packet` | cpu | `beyond` for each packet that was received; like it, absent beside a load |
//! | `busy_us_per_packet`, `process_us_per_packet` | cpu | `total` and `process` for each packet that was received; the first, less that of a peer of kind `sender`, is what forwarding costs however the kernel divides a sender's time |
//! | `released_full`, `released_timeout`, `released_playout`, `released_idle`, … | weir | containers by why they were released, as parts of 1 |
//! | `syscalls`, `switches`, `wakeups`, `cycles`, `instructions`, `cache_misses`, `dtlb_misses`, `itlb_misses` | events | of the forwarding process (the machine, where it is the kernel) for each packet received; what the machine does not count is absent, and a note says so |
//!
//! Invariant: a window's rates come from counters read at its two ends.

mod cast;
mod loads;
mod meters;
mod senders;
mod sums;
mod timeline;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::cast::{Cast, is_received};
use self::loads::Burden;
use self::meters::events::Events;
use self::meters::{Cpu, Rates};
use self::senders::{Passed, Running};
use self::sums::{Book, Reading};
use self::timeline::{Due, Timeline};
use crate::cell::{Cell, Outcome};
use crate::spec::Scene;
use crate::stage::Stage;

/// The time between the end of all other preparations and the scene's beginning, in which senders get
/// ready: threads, and programs for each way.
const LEAD: Duration = Duration::from_millis(250);
const LEAD_FOR_PROGRAMS: Duration = Duration::from_millis(80);

/// Plays one cell on a stage of its own.
pub fn play(cell: &Cell) -> Result<Outcome> {
    let what = || cell.place.key();
    let stage = Stage::new(&cell.peer, &cell.scene).with_context(what)?;
    let outcome = perform(&stage).with_context(what)?;
    stage.finish().with_context(what)?;
    Ok(outcome)
}

/// Everything between the stage's set-up and its teardown. If anything fails, everything that was
/// started ends with its owner.
fn perform(stage: &Stage) -> Result<Outcome> {
    let scene = &stage.scene;
    let cast = Cast::of(stage)?;
    let rates = Rates::start(stage, &cast).context("counting what arrives")?;
    let (mut events, mut notes) = Events::start(stage).context("counting events")?;
    let mut loads: Vec<Burden> =
        scene.load.iter().map(|load| Burden::prepare(load, stage)).collect::<Result<_>>()?;
    let timeline = Timeline::new(scene, Instant::now() + lead(scene, &cast));
    let mut running: Vec<Box<dyn Running + '_>> = Vec::new();
    for traffic in &scene.traffic {
        let what = || format!("{:?} from {} to {}", traffic.kind, traffic.from, traffic.to);
        running.push(senders::start(traffic, stage, &timeline, &rates).with_context(what)?);
    }
    let late = Instant::now().saturating_duration_since(timeline.origin);
    if late > Duration::ZERO {
        notes.push(format!("the senders were ready {} ms late", late.as_millis()));
    }
    let (mut begun, mut windows, mut slices) = (None, Vec::new(), Vec::new());
    for (at, due) in timeline.agenda(scene) {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        let mut read = || -> Result<Reading> {
            // Rates first and, at once after them, the senders' counts: the exact time matters most
            // for these.
            Ok(Reading {
                rates: rates.read()?,
                senders: running.iter().map(|running| running.so_far()).collect::<Result<_>>()?,
                cpu: Cpu::now(stage.weir.as_ref())?,
                events: events.read()?,
                releases: meters::releases(stage)?,
                resent: meters::resent(stage)?,
            })
        };
        match due {
            Due::WindowBegins => begun = Some(read()?),
            Due::WindowEnds => windows.push((begun.take().context("no window")?, read()?)),
            Due::Slice => slices.push(rates.read()?),
            Due::Step(at) => {
                let step = scene.step.get(at).context("no such step")?;
                stage.reweigh(&step.weights).context("changing weights")?;
            }
            Due::LoadStarts(at) => loads.get_mut(at).context("no such load")?.start()?,
            Due::LoadStops(at) => loads.get_mut(at).context("no such load")?.stop()?,
        }
    }
    drop(loads);
    let finished = running.into_iter().enumerate().map(|(at, running)| {
        let passed: Vec<Passed> = timeline
            .windows
            .iter()
            .zip(&windows)
            .map(|(span, (from, to))| {
                let (earlier, now) = (&from.senders[at].frames, &to.senders[at].frames);
                Passed {
                    name: span.name.clone(),
                    from: from.rates.at,
                    to: to.rates.at,
                    frames: earlier.iter().zip(now).map(|(earlier, now)| *earlier..*now).collect(),
                }
            })
            .collect();
        running.finish(&passed)
    });
    let told = finished.collect::<Result<_>>()?;
    let book = Book {
        scene,
        cast: &cast,
        timeline: &timeline,
        has_worker: stage.weir.is_some(),
        windows,
        slices,
        told,
    };
    let mut outcome = book.outcome();
    notes.append(&mut outcome.notes);
    Ok(Outcome { notes, ..outcome })
}

fn lead(scene: &Scene, cast: &Cast) -> Duration {
    let by_program = |way: &&cast::Way| is_received(&scene.traffic[way.traffic]).0;
    let programs = cast.ways.iter().filter(by_program).count();
    LEAD + LEAD_FOR_PROGRAMS * u32::try_from(programs).unwrap_or(u32::MAX)
}
