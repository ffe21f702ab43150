//! One peer on one bed, ready to be measured, and taken down afterwards.
//!
//! Invariant: each measurement has a bed of its own, so that no peer inherits another's queues.

use anyhow::{Context, Result, anyhow};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use system_tests::bed::{Family, UPLINK_PORT};
use system_tests::peers::redirect;
use system_tests::traffic::ping;
use system_tests::{Bed, BedSpec, Ns, Weir, WeirSpec, cpu};
use weir_port::bare::Bare;
use weir_port::rawprog::{Attached, Hook, Program, XskMap};

/// The worker's core, ours and the bare loop's.
const WORKER: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Weir {
        idle: &'static str,
        mode: &'static str,
        lane: &'static str,
    },
    /// The same with everything measured that can be, or nothing; a worker has every frame.
    Measured {
        idle: &'static str,
        mode: &'static str,
        /// Flows told apart; 0: no flows and no times.
        flows: u32,
    },
    /// Another binary of weir, in the same way: the one before a change.
    Other {
        binary: &'static Path,
        idle: &'static str,
        mode: &'static str,
        lane: &'static str,
    },
    Bridge,
    /// A bare AF_XDP loop in native mode, without any policy.
    Bare,
    /// XDP redirect between the two ports: no user space at all.
    Redirect,
    /// One veth and nothing in between: the generator's own floor.
    Floor,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weir { .. } => "weir",
            Self::Measured { flows: 0, .. } => "unmeasured",
            Self::Measured { .. } => "measured",
            Self::Other { .. } => "other",
            Self::Bridge => "bridge",
            Self::Bare => "bare-xsk",
            Self::Redirect => "redirect",
            Self::Floor => "floor",
        }
    }
}

/// Drops from the top: what forwards goes before what it forwards between.
pub(crate) struct Rig {
    weir: Option<Weir>,
    _bare: Option<BareLoop>,
    _redirects: Vec<Attached>,
    pub bed: Bed,
}

impl Rig {
    pub(crate) fn new(peer: Peer, vms: u8) -> Result<Self> {
        let spec = BedSpec::vms(vms);
        let bed = match peer {
            Peer::Bridge => spec.bridge().build()?,
            Peer::Floor => spec.direct().build()?,
            _ => spec.build()?,
        };
        let weir = match peer {
            Peer::Weir { idle, mode, lane } => {
                let spec = WeirSpec::default().workers(&[WORKER]).idle(idle).mode(mode);
                Some(Weir::start(&bed, &spec.lane(lane))?)
            }
            Peer::Measured { idle, mode, flows } => {
                let lines = format!("latency = {}\nflows = {flows}", flows > 0);
                let spec = WeirSpec::default().workers(&[WORKER]).idle(idle).mode(mode);
                Some(Weir::start(&bed, &spec.measure(&lines))?)
            }
            Peer::Other { binary, idle, mode, lane } => {
                let spec = WeirSpec::default().workers(&[WORKER]).idle(idle).mode(mode);
                let binary = Some(binary.to_path_buf());
                Some(Weir::start(&bed, &WeirSpec { binary, lane, ..spec })?)
            }
            _ => None,
        };
        let bare = if peer == Peer::Bare { Some(BareLoop::start(&bed)?) } else { None };
        let redirects = if peer == Peer::Redirect { redirect::make(&bed)? } else { Vec::new() };
        let rig = Self { weir, _bare: bare, _redirects: redirects, bed };
        if peer != Peer::Floor {
            rig.introduce()?;
        }
        Ok(rig)
    }

    pub(crate) fn weir(&self) -> Result<&Weir> {
        self.weir.as_ref().context("this peer is not weir")
    }

    /// Neighbours are fixed, and echoes both ways teach the forwarder where everybody is.
    fn introduce(&self) -> Result<()> {
        self.bed.learn_neighbours()?;
        for guest in &self.bed.guests {
            // A bare loop has two ends only; the first echo through anything new may be lost.
            let ping = || ping(&guest.ns, self.bed.uplink.addr(Family::V4), 1);
            system_tests::wait::wait_ok(Duration::from_secs(5), "the path to work", ping)?;
        }
        Ok(())
    }

    /// The ledger must balance after every measurement, and the process must end well.
    pub(crate) fn finish(mut self) -> Result<()> {
        let Some(weir) = self.weir.take() else { return Ok(()) };
        weir.assert_ledger()?;
        weir.stop()
    }
}

/// The bare loop on its own pinned thread inside the host.
struct BareLoop {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BareLoop {
    fn start(bed: &Bed) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (ready, started) = mpsc::channel();
        let host = bed.host.path();
        let port = bed.guest(0)?.port.clone();
        let ports = [bed.host.ifindex(&port)?, bed.host.ifindex(UPLINK_PORT)?];
        let thread = std::thread::spawn(move || {
            let run = || -> Result<()> {
                Ns::enter(&host)?;
                cpu::pin(WORKER);
                let mut bare = Bare::bind(&port, UPLINK_PORT)?;
                let mut programs = Vec::new();
                for (socket, ifindex) in bare.fds().into_iter().zip(ports) {
                    let map = XskMap::new(1)?;
                    map.set(0, socket)?;
                    let program = Program::redirect_to_xsk(&map)?;
                    programs.push(program.attach(ifindex, Hook::Native)?);
                }
                let _ = ready.send(Ok(()));
                bare.run(|| stopped.load(Ordering::Relaxed));
                // Detached before the sockets close, as weir does.
                drop(programs);
                Ok(())
            };
            if let Err(error) = run() {
                let _ = ready.send(Err(error));
            }
        });
        let bare = Self { stop, thread: Some(thread) };
        started.recv().map_err(|_| anyhow!("the bare loop panicked"))?.context("the bare loop")?;
        Ok(bare)
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
