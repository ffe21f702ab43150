//! Sends frames past the sender's stack: XDP live frames at line rate, or at a rate in bursts. Several
//! places get them in turn, from one program.
//!
//! Starting a call of the kernel takes tens of milliseconds: at line rate one call sends everything,
//! and a signal ends it. Bursts hold a rate over some milliseconds.
//!
//! Invariant: see the module above. Frames are counted by the program that sends them.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::Signal;
use signal_hook::SigId;
use signal_hook::consts::SIGUSR1;
use signal_hook::flag::register;
use system_tests::wait::Halt;
use system_tests::{Ns, StartedThread, cpu};
use weir_probe::raw::beam;
use weir_probe::raw::frame::{ethernet, udp};
use weir_rig::{Action, Counter, FRONT, Program, programs};

use super::SoFar;
use crate::scene::cast::Pair;
use crate::scene::timeline::Times;
use crate::spec::Traffic;
use crate::stage::{SENDERS, Stage};

/// The destination port; a socket exists for frames that are not dropped before.
pub(super) const PORT: u16 = 9;
/// How often the signal to a thread is repeated.
const AGAIN: Duration = Duration::from_millis(5);

/// A signal interrupts the kernel's call only if the process handles it.
static HEARD: LazyLock<io::Result<SigId>> =
    LazyLock::new(|| register(SIGUSR1, Arc::new(AtomicBool::new(false))));

/// A sending thread.
#[derive(Debug)]
pub(super) struct Beam {
    places: u64,
    counter: Counter,
    thread: StartedThread<()>,
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
    /// `flows` are those of one sender; each of its connections has a port of its own.
    pub(super) fn start(
        traffic: &Traffic,
        stage: &Stage,
        flows: &[Pair<'_>],
        connection: u32,
        times: &Times,
    ) -> Result<Self> {
        if let Err(error) = &*HEARD {
            bail!("a signal's handler: {error}");
        }
        let from = &flows.first().context("no receiver")?.from;
        // A veth accepts frames without a socket behind them only if its other end polls.
        let (bed, port) = (&stage.bed, &stage.guest_of(from.ns.name())?.port);
        let other = if bed.spec.is_direct() { &bed.uplink.ns } else { &bed.host };
        other.ethtool(&format!("-K {port} gro on")).context("the port's polling")?;

        let ports = (PORT.wrapping_add(1 + connection as u16), PORT);
        let payload = vec![0; traffic.payload()? as usize];
        let frame = |Pair { from, to, .. }: &Pair<'_>| {
            let (source, next_mac) = stage.headers(from, to)?;
            let (ethertype, body) = udp(source, to.addr, ports, &payload)?;
            Ok(ethernet(next_mac, from.mac, &[], ethertype, &body))
        };
        let frames: Vec<Vec<u8>> = flows.iter().map(frame).collect::<Result<_>>()?;
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
