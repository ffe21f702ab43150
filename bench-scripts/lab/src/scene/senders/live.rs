//! Sends frames past the sender's stack: XDP live frames at line rate, or at a rate in bursts. Several
//! places get them in turn, from one program.
//!
//! Starting a call of the kernel takes tens of milliseconds: at line rate one call sends everything,
//! and a signal ends it. Bursts hold a rate over some milliseconds.
//!
//! Invariant: see the module above. Frames are counted by the program that sends them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::Signal;
use system_tests::bed::Layout;
use system_tests::wait::Halt;
use system_tests::{Ns, StartedThread, cpu};
use weir_probe::rate::frame_overhead;
use weir_probe::raw::beam;
use weir_probe::raw::frame::{ethernet, udp};
use weir_rig::{Action, Counter, FRONT, Program, programs};

use super::SoFar;
use super::flows::Times;
use crate::scene::cast::Pair;
use crate::spec::Traffic;
use crate::stage::{SENDERS, Spot, Stage};

/// The destination port; a socket exists for frames that are not dropped before.
pub(super) const PORT: u16 = 9;
/// How often the signal to a thread is repeated.
const AGAIN: Duration = Duration::from_millis(5);

/// A sending thread.
#[derive(Debug)]
pub(super) struct Beam {
    places: u64,
    counter: Counter,
    thread: StartedThread<()>,
}

/// A whole frame for each place of a sender.
pub(super) fn frames(
    stage: &Stage,
    flows: &[Pair<'_>],
    connection: u32,
    length: u32,
) -> Result<Vec<Vec<u8>>> {
    let ports = (PORT.wrapping_add(1 + connection as u16), PORT);
    let frame = |Pair { from, to, .. }: &Pair<'_>| {
        let way = stage.way(from, to)?;
        let empty = frame_overhead(to.addr.is_ipv6());
        let payload = vec![0; length.saturating_sub(empty) as usize];
        let (ethertype, body) = udp(way.source, to.addr, ports, &payload)?;
        Ok(ethernet(way.next_mac, way.source_mac, &[], ethertype, &body))
    };
    flows.iter().map(frame).collect()
}

/// A veth accepts frames without a socket behind them only if its other end polls.
fn make_heard(stage: &Stage, from: &Spot<'_>) -> Result<()> {
    let (bed, port) = (stage.bed(), &stage.guest_of(from.ns.name())?.port);
    let other = if bed.spec.layout == Layout::Direct { &bed.uplink.ns } else { &bed.host };
    other.ethtool(&format!("-K {port} gro on")).context("the port's polling").map(drop)
}

/// Says, when it is dropped, that a sender is over.
struct Over<'a> {
    over: &'a AtomicBool,
    halt: &'a Halt,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.halt.say();
    }
}

impl Beam {
    /// `flows` are those of one sender, and `frames` theirs.
    pub(super) fn start(
        traffic: &Traffic,
        stage: &Stage,
        flows: &[Pair<'_>],
        frames: Vec<Vec<u8>>,
        times: &Times,
    ) -> Result<Self> {
        hear_signals()?;
        let from = &flows.first().context("no receiver")?.from;
        make_heard(stage, from)?;
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
        let (netns, begin, end) = (from.ns.path(), times.start, times.stop);
        let thread = StartedThread::new(&Halt::default(), move |halt| {
            Ns::enter(&netns)?;
            cpu::pin(SENDERS);
            let _ = halt.wait_until(begin);
            let (sender, over) = (pthread_self(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let _ = halt.wait_until(end);
                    // A signal that comes just before the call is lost.
                    while !over.load(Ordering::Relaxed) {
                        halt.say();
                        let _ = pthread_kill(sender, Signal::SIGUSR1);
                        std::thread::sleep(AGAIN);
                    }
                });
                // Also where the sender panics.
                let _over = Over { over: &over, halt };
                beam(&program, &frame, ifindex, pps, end, halt.flag()).context("live frames")
            })
        });
        Ok(Self { places: flows.len() as u64, counter, thread })
    }

    pub(super) fn so_far(&self) -> Result<SoFar> {
        let (total, places) = (self.counter.total()?, self.places);
        // Of the places that get frames in turn, the first ones may be one ahead.
        let each = (0..places).map(|place| (total + places - 1 - place) / places);
        Ok(SoFar { frames: each.collect(), cpu: self.thread.cpu() })
    }

    pub(super) fn join(&mut self) -> Result<()> {
        self.thread.join()
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
