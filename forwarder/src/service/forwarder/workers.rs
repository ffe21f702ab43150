//! The workers together: which worker is to serve a port, and the data that all of them need.
//!
//! Invariant: a port is served by one worker, and every other worker knows which, from before the
//! program steers a frame of the port until after it has stopped.

use std::io;
use std::sync::Arc;

use weir_core::sched::Caps;
use weir_core::{PortId, PortSettings, Reason, Role};
use weir_port::{Pool, XskPort};

use super::roster::Roster;
use crate::worker::{
    self, Asker, Change, NoAnswer, Peers, Taken, WatchSpec, Watched, Watcher, WorkerHandle,
    WorkerSettings, WorkerSnapshot,
};

#[derive(Debug)]
pub(in crate::service) struct Workers {
    cores: Vec<usize>,
    handles: Vec<WorkerHandle<XskPort>>,
    /// Kicks of ports that have left, by worker.
    past_kicks: Vec<u64>,
}

/// The number of ports of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Load {
    ports: usize,
    uplinks: usize,
}

impl Workers {
    /// Starts a worker on each core, each with one of the pools.
    pub(super) fn spawn(
        cores: &[usize],
        pools: Vec<Pool>,
        settings: impl Fn(usize, Arc<Caps>, Peers) -> WorkerSettings,
    ) -> io::Result<Self> {
        let caps = Arc::new(Caps::default());
        let with_peers = cores.iter().zip(pools).zip(worker::peers(cores.len())?);
        let handles = with_peers
            .map(|((&core, pool), peers)| {
                WorkerHandle::spawn(settings(core, Arc::clone(&caps), peers), pool)
            })
            .collect::<io::Result<Vec<_>>>()?;
        let past_kicks = vec![0; handles.len()];
        Ok(Self { cores: cores.to_vec(), handles, past_kicks })
    }

    /// Handles for requests, one for each worker in their order.
    pub(in crate::service) fn askers(&self) -> Vec<Asker<XskPort>> {
        self.handles.iter().map(WorkerHandle::asker).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.handles.len()
    }

    /// Whether all of them run. A worker that has ended leaves its ports unserved.
    pub(in crate::service) fn live(&self) -> bool {
        self.handles.iter().all(WorkerHandle::lives)
    }

    pub(super) fn core(&self, worker: usize) -> usize {
        self.cores.get(worker).copied().unwrap_or_default()
    }

    /// The worker for one more port, beside the ports in the roster.
    pub(super) fn place(&self, roster: &Roster, wanted: Option<usize>, role: Role) -> usize {
        let mut loads = vec![Load::default(); self.count()];
        for held in roster.held() {
            if let Some(load) = loads.get_mut(held.worker) {
                load.add(held.settings.role);
            }
        }
        place(&self.cores, &loads, wanted, role)
    }

    pub(super) fn handle(&self, worker: usize) -> Result<&WorkerHandle<XskPort>, NoAnswer> {
        self.handles.get(worker).ok_or(NoAnswer::Ended)
    }

    fn others(&self, worker: usize) -> impl Iterator<Item = &WorkerHandle<XskPort>> {
        self.handles.iter().enumerate().filter(move |(at, _)| *at != worker).map(|(_, h)| h)
    }

    /// Whether all of them answer.
    pub(super) async fn ping(&self) -> Result<(), NoAnswer> {
        for handle in &self.handles {
            handle.ping().await?;
        }
        Ok(())
    }

    /// Hands a port to its worker and makes it known to the others. When this returns, all of them can
    /// send to it; after an error, it must be withdrawn.
    pub(super) async fn serve(
        &self,
        worker: usize,
        id: PortId,
        settings: PortSettings,
        port: XskPort,
    ) -> Result<(), NoAnswer> {
        self.handle(worker)?.add(id, settings, port).await?;
        for other in self.others(worker) {
            other.add_remote(id, settings, worker).await?;
        }
        Ok(())
    }

    /// Takes a port back; waiting frames are lost under `why`. First no worker hands over frames for it
    /// any more. After an error it can be tried again; `None` means that the port was back already.
    pub(super) async fn withdraw(
        &mut self,
        worker: usize,
        id: PortId,
        why: Reason,
    ) -> Result<Option<Box<Taken<XskPort>>>, NoAnswer> {
        for other in self.others(worker) {
            other.remove_remote(id, why).await?;
        }
        let taken = self.handle(worker)?.take(id, why).await?;
        if let (Some(taken), Some(past)) = (&taken, self.past_kicks.get_mut(worker)) {
            *past += taken.last.stats.kicks;
        }
        Ok(taken)
    }

    /// Sends new promises to every worker in one piece.
    pub(super) async fn reshape(&self, change: &Change) -> Result<(), NoAnswer> {
        for handle in &self.handles {
            handle.reshape(change.clone()).await?;
        }
        Ok(())
    }

    /// Has every worker watch, or none; returns the reading ends, each with its worker's core.
    pub(super) async fn watch(
        &self,
        spec: Option<WatchSpec>,
    ) -> Result<Vec<(usize, Watched)>, NoAnswer> {
        let mut ends = Vec::with_capacity(self.count());
        for (worker, handle) in self.handles.iter().enumerate() {
            let watcher = spec.map(|spec| {
                let (watcher, watched) = Watcher::new(spec);
                ends.push((self.core(worker), watched));
                watcher
            });
            // The earlier watcher has ended.
            drop(handle.watch(watcher).await?);
        }
        Ok(ends)
    }

    /// The workers' numbers, in their order, read one after the other: see
    /// [`crate::observe::ledger::WorkersTotal`] for what moves meanwhile.
    pub(super) async fn snapshots(&self) -> Result<Vec<WorkerSnapshot>, NoAnswer> {
        let mut all = Vec::with_capacity(self.count());
        for handle in &self.handles {
            all.push(handle.snapshot().await?);
        }
        Ok(all)
    }

    pub(super) fn past_kicks(&self, worker: usize) -> u64 {
        self.past_kicks.get(worker).copied().unwrap_or_default()
    }
}

impl Load {
    fn add(&mut self, role: Role) {
        self.ports += 1;
        self.uplinks += usize::from(role == Role::Uplink);
    }
}

/// The wanted core, if there is one. Otherwise an uplink goes to the first worker, and a vif to the one
/// with the fewest ports; among several such, away from the uplinks, which have the most to do.
fn place(cores: &[usize], loads: &[Load], wanted: Option<usize>, role: Role) -> usize {
    let asked = wanted.and_then(|wanted| cores.iter().position(|&core| core == wanted));
    if let Some(worker) = asked {
        return worker;
    }
    match role {
        Role::Uplink => 0,
        Role::Vif => {
            let by_load = loads.iter().enumerate().min_by_key(|(_, load)| **load);
            by_load.map_or(0, |(worker, _)| worker)
        }
    }
}

/// The number of ports that the busiest worker will have, of those known beforehand.
pub(super) fn most_ports(
    cores: &[usize],
    ports: impl IntoIterator<Item = (Option<usize>, Role)>,
) -> u32 {
    let mut loads = vec![Load::default(); cores.len().max(1)];
    for (wanted, role) in ports {
        let at = place(cores, &loads, wanted, role);
        if let Some(load) = loads.get_mut(at) {
            load.add(role);
        }
    }
    let most = loads.iter().map(|load| load.ports).max().unwrap_or_default();
    u32::try_from(most).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
