//! The native program with one port, `lo`, over the maps of the rig. Invariant: each run is checked for
//! exactly one outcome, its matching action and, unless the frame was steered, no effect on the frame.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use aya::maps::{MapData, XskMap};
use weir_abi::{Counter, MAX_QUEUES, META_LEN, Meta, maps};
use weir_port::probe::{TestRun, slot_socket, test_run};

use crate::frames::{XDP_DROP, XDP_PASS, XDP_REDIRECT};
use crate::rig::Rig;
use crate::world::World;
use crate::worlds::{IN, base};

pub(crate) struct Nic {
    pub(crate) rig: Rig,
    sockets: XskMap<MapData>,
    /// Kept, since dropping it would take it out of its slot.
    socket: OwnedFd,
    open: bool,
}

impl Nic {
    /// With a bridge that knows both stations, and a worker: everything is steered.
    pub(crate) fn load() -> Result<Self> {
        let mut rig = Rig::load()?;
        let sockets = rig.ebpf.take_map(maps::XSKS).context("no sockets")?.try_into()?;
        let mut nic = Self { rig, sockets, socket: slot_socket()?, open: false };
        nic.publish(&base())?;
        Ok(nic)
    }

    /// As [`Rig::publish`]; the worker runs if it does so in that world.
    pub(crate) fn publish(&mut self, world: &World) -> Result<()> {
        self.rig.publish(world)?;
        self.rig.refill()?;
        self.set_socket(world.workers.contains(&world.ports[&IN].queue))
    }

    pub(crate) fn set_socket(&mut self, there: bool) -> Result<()> {
        let at = u32::from(IN) * MAX_QUEUES;
        match (std::mem::replace(&mut self.open, there), there) {
            (false, true) => self.sockets.set(at, self.socket.as_fd(), 0)?,
            (true, false) => self.sockets.unset(at)?,
            _ => {}
        }
        Ok(())
    }

    /// Runs one frame; returns the resulting frame and its one outcome.
    pub(crate) fn run(&self, frame: &[u8]) -> Result<(TestRun, Counter)> {
        let before = self.rig.counters()?;
        let run = test_run(self.rig.native.as_fd(), frame, Rig::ctx())?;
        let after = self.rig.counters()?;
        let changed: Vec<Counter> =
            Counter::all().filter(|c| after.frames(*c) != before.frames(*c)).collect();
        ensure!(changed.len() == 1, "outcomes {changed:?}");
        ensure!(after.received() == before.received() + 1);
        let outcome = changed[0];
        let bytes = after.bytes(outcome) - before.bytes(outcome);
        ensure!(bytes == frame.len() as u64, "{bytes} bytes counted of {}", frame.len());
        let action = match outcome {
            Counter::Steered => XDP_REDIRECT,
            _ if outcome.name().starts_with("passed") => XDP_PASS,
            _ => XDP_DROP,
        };
        ensure!(run.action == action, "{outcome:?} with action {}", run.action);
        if action != XDP_REDIRECT {
            ensure!(run.data == frame && run.meta.is_empty(), "changed, though not steered");
        }
        ensure!(self.rig.room(IN.into())? == 0, "room taken in another ring");
        Ok((run, outcome))
    }

    pub(crate) fn outcome(&self, frame: &[u8]) -> Result<Counter> {
        Ok(self.run(frame)?.1)
    }

    /// Runs a frame that is steered; returns its metadata and the bytes that user space would get.
    pub(crate) fn steered(&self, frame: &[u8]) -> Result<(Meta, Vec<u8>)> {
        let (run, outcome) = self.run(frame)?;
        ensure!(outcome == Counter::Steered, "{outcome:?}");
        let bytes: [u8; META_LEN] = run.meta.as_slice().try_into()?;
        Ok((Meta::from_bytes(bytes), run.data))
    }
}
