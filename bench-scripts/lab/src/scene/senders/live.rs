//! Sends frames past the sender's stack: XDP live frames at line rate, or at a rate in bursts. Several
//! places get them in turn, from one program.
//!
//! Starting a call of the kernel takes tens of milliseconds: at line rate one call sends everything,
//! and a signal ends it. Bursts hold a rate over some milliseconds.
//!
//! Invariant: see the module above. Frames are counted by the program that sends them.

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use system_tests::Ns;
use system_tests::bed::Layout;
use system_tests::cpu::{self, ThreadTime};
use system_tests::wait::Halt;
use weir_probe::raw::frame::{ethernet, udp};
use weir_probe::raw::source::beam;
use weir_rig::{Action, Counter, FRONT, Program, programs};

use super::places::{Sender, Sinks, senders};
use super::{Running, Sent, Told, flows};
use crate::scene::marks::Marks;
use crate::scene::timeline::{Edge, Timeline};
use crate::spec::Traffic;
use crate::stage::{SENDERS, Spot, Stage};

/// How often the signal to a thread is repeated.
const AGAIN: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
struct State {
    halt: Halt,
    ended: AtomicBool,
    time: ThreadTime,
}

/// A sending thread, and a thread that ends it in time.
#[derive(Debug)]
struct Beam {
    whose: Vec<Option<String>>,
    counter: Counter,
    state: Arc<State>,
    watcher: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug)]
pub(super) struct Live {
    beams: Vec<Beam>,
    marks: Marks<Vec<Sent>>,
    frame: u32,
    what: String,
    /// An error from a reading.
    trouble: Option<anyhow::Error>,
    _sinks: Sinks,
}

pub(super) fn start(traffic: &Traffic, stage: &Stage, timeline: &Timeline) -> Result<Live> {
    let scene = stage.scene();
    let frame = flows::frame(traffic, scene)?;
    let senders = senders(stage, traffic)?;
    let sinks = Sinks::open(&senders, PORT)?;
    let mut beams = Vec::new();
    for sender in &senders {
        make_heard(stage, &sender.from)?;
        for connection in 0..traffic.connections.max(1) {
            let ports = (PORT.wrapping_add(1 + connection as u16), PORT);
            let frames = frames(stage, sender, ports, frame)?;
            beams.push(Beam::start(sender, frames, traffic, timeline.of(traffic))?);
        }
    }
    let what = format!("live frames from {} to {}", traffic.from, traffic.to);
    let marks = Marks::new(timeline);
    Ok(Live { beams, marks, frame, what, trouble: None, _sinks: sinks })
}

/// The destination port; a socket exists for frames that are not dropped before.
const PORT: u16 = 9;

/// A whole frame for each place.
fn frames(
    stage: &Stage,
    sender: &Sender<'_>,
    ports: (u16, u16),
    length: u32,
) -> Result<Vec<Vec<u8>>> {
    let frame = |to: &Spot<'_>| {
        let way = stage.way(&sender.from, to)?;
        let empty = if to.addr.is_ipv4() { 42 } else { 62 };
        let payload = vec![0; (length as usize).saturating_sub(empty)];
        let (ethertype, body) = udp(way.source, to.addr, ports, &payload)?;
        Ok(ethernet(way.next_mac, way.source_mac, &[], ethertype, &body))
    };
    sender.to.iter().map(frame).collect()
}

/// A veth accepts frames without a socket behind them only if its other end polls.
fn make_heard(stage: &Stage, from: &Spot<'_>) -> Result<()> {
    let bed = stage.bed();
    let guest = bed.everybody().find(|guest| guest.ns.name() == from.ns.name());
    let guest = guest.context("the sender is not on the bed")?;
    let other = if bed.spec.layout == Layout::Direct { &bed.uplink.ns } else { &bed.host };
    other.ethtool(&format!("-K {} gro on", guest.port)).context("the port's polling").map(drop)
}

impl Beam {
    fn start(
        sender: &Sender<'_>,
        frames: Vec<Vec<u8>>,
        traffic: &Traffic,
        (begin, end): (Instant, Instant),
    ) -> Result<Self> {
        hear_signals()?;
        let (from, whose) = (&sender.from, sender.whose.clone());
        let program = match frames.as_slice() {
            [_] if traffic.flows > 1 => programs::next_flow(traffic.flows, Action::Tx),
            [_] => Program::count(Action::Tx),
            several => {
                let short = || format!("frames to several places have {FRONT} bytes at least");
                let front = |frame: &Vec<u8>| frame.first_chunk().copied().with_context(short);
                let fronts: Vec<[u8; FRONT]> = several.iter().map(front).collect::<Result<_>>()?;
                programs::in_turn(&fronts, Action::Tx)
            }
        };
        let mut program = program.context("the program that sends")?;
        let counter = program.counter()?;
        let frame = frames.into_iter().next().context("no receiver")?;
        let (ifindex, pps) = (from.ns.ifindex(&from.interface)?, traffic.pps);
        let state = Arc::new(State::default());
        let (shared, netns) = (Arc::clone(&state), from.ns.path());
        let thread = std::thread::spawn(move || {
            let result = Ns::enter(&netns).and_then(|()| {
                cpu::pin(SENDERS);
                shared.time.begin();
                let _ = shared.halt.wait_until(begin);
                beam(&program, &frame, ifindex, pps, end, shared.halt.flag()).context("live frames")
            });
            shared.time.end();
            shared.ended.store(true, Ordering::Relaxed);
            result
        });
        let shared = Arc::clone(&state);
        let watcher = std::thread::spawn(move || {
            let _ = shared.halt.wait_until(end);
            shared.halt.say();
            // A signal that comes just before the call is lost.
            while !shared.ended.load(Ordering::Relaxed) && !thread.is_finished() {
                let _ = pthread_kill(thread.as_pthread_t(), Signal::SIGUSR1);
                std::thread::sleep(AGAIN);
            }
            thread.join().map_err(|_| anyhow!("its thread panicked"))?
        });
        Ok(Self { whose, counter, state, watcher: Some(watcher) })
    }

    fn sent(&self) -> Result<Sent> {
        let (total, places) = (self.counter.total()?, self.whose.len() as u64);
        // Of the places that get frames in turn, the first ones may be one ahead.
        let each = (0..places).map(|place| (total + places - 1 - place) / places);
        Ok((each.collect(), self.state.time.so_far()))
    }

    fn join(&mut self) -> Result<()> {
        let Some(watcher) = self.watcher.take() else { return Ok(()) };
        watcher.join().map_err(|_| anyhow!("its thread panicked"))?
    }
}

impl Drop for Beam {
    fn drop(&mut self) {
        self.state.halt.say();
        let _ = self.join();
    }
}

/// A signal interrupts the kernel's call only if the process handles it.
fn hear_signals() -> Result<()> {
    static HEARD: OnceLock<Result<(), String>> = OnceLock::new();
    let heard = HEARD.get_or_init(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let heard = signal_hook::flag::register(signal_hook::consts::SIGUSR1, flag);
        heard.map(drop).map_err(|error| error.to_string())
    });
    heard.clone().map_err(|error| anyhow!(error)).context("a signal's handler")
}

impl Running for Live {
    fn mark(&mut self, window: usize, edge: Edge) {
        match self.beams.iter().map(Beam::sent).collect() {
            Ok(counted) => self.marks.note(window, edge, counted),
            Err(error) => self.trouble = Some(error),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Told> {
        let mut told = Told::default();
        for beam in &mut self.beams {
            beam.join().with_context(|| self.what.clone())?;
        }
        if let Some(error) = self.trouble.take() {
            return Err(error.context(self.what.clone()));
        }
        let whose: Vec<_> = self.beams.iter().map(|beam| &beam.whose[..]).collect();
        told.add_sent(&self.marks, &whose, self.frame);
        Ok(told)
    }
}
