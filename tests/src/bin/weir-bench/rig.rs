//! One peer on one bed, ready to be measured, and taken down afterwards.
//!
//! Invariant: each measurement has a bed of its own, so that no peer inherits another's queues.

use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::traffic::ping;
use system_tests::{Bed, BedSpec, Weir, WeirSpec};

/// The worker's core.
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
            Self::Floor => "floor",
        }
    }
}

/// Drops from the top: what forwards goes before what it forwards between.
pub(crate) struct Rig {
    weir: Option<Weir>,
    pub bed: Bed,
}

impl Rig {
    pub(crate) fn new(peer: Peer, vms: u8) -> Result<Self> {
        let spec = BedSpec::vms(vms);
        let bed = match peer {
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
        let rig = Self { weir, bed };
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
            // The first echo through anything new may be lost.
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
