//! The gate's side of the forwarder: weir's own pair, the workers' rings on it, and the gate's data
//! about ports, VLANs and addresses.
//!
//! Invariant: the gate decides about a port only while a worker serves it, and sends to a port only by
//! an address that the bridge has behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aya::programs::links::FdLink;
use tokio::sync::Notify;
use weir_abi::{RX_PLACES, table};
use weir_core::{Mode, addresses::AddressTable};
use weir_port::{AddressWords, SHARED_RING, XskConfig, XskPort};

use super::Forwarder;
use super::clearing::Clearing;
use super::mirroring::HostRules;
use super::report::PortNumbers;
use crate::host::attach::GateMaps;
use crate::host::bridge::make::{self, MakeError};
use crate::host::bridge::offload::PortView;
use crate::host::links::{ExpressPath, Link};
use crate::host::pair::Pair;
use crate::observe::ledger::{self, WorkersTotal};
use crate::worker::WorkerSnapshot;
use weir_schema::PortPlan;

/// How long frames may be on their way into the workers' rings.
pub(super) const SETTLE: Duration = Duration::from_millis(50);
/// Frames of a worker's fill ring: twice what the gate lets into the receive ring.
pub(super) const FILL: u32 = 2 * RX_PLACES as u32;

/// The bridge whose ports are served at the gate.
#[derive(Clone, Copy, Debug)]
pub struct Bridge {
    pub ifindex: u32,
    /// weir made it: later ports are to join it.
    pub own: bool,
}

#[derive(Debug)]
pub(in crate::service) struct Gate {
    pub(in crate::service) bridge: Bridge,
    pub(in crate::service) pair: Pair,
    /// The programs behind the gate, while it is open.
    pub(super) behind: Option<Behind>,
    /// The pair is gone or down: no frame arrives any more.
    pub(super) is_abandoned: bool,
    /// Which address is behind which port, as the gate has it.
    pub(super) table: AddressTable<AddressWords>,
    /// The bridge's latest view of its ports, by interface index.
    pub(super) views: HashMap<u32, PortView>,
    /// How the gate can hand frames to the ports itself, by interface index.
    pub(super) paths: HashMap<u32, ExpressPath>,
    /// Rules of the host that the gate would bypass.
    pub(super) foreign: HostRules,
    /// A capture or a trace runs: no frame may use the express lane.
    pub(super) watched: bool,
    /// Notified when a port was taken in for which [`Forwarder::mirror`] must be called.
    pub(in crate::service) newcomers: Arc<Notify>,
}

/// The programs on the pair, and the thread that sends fences through it. The thread ends first.
#[derive(Debug)]
pub(super) struct Behind {
    _clearing: Clearing,
    _links: [FdLink; 3],
}

impl Gate {
    pub(super) fn new(bridge: Bridge, pair: Pair, maps: &GateMaps, seed: table::Seed) -> Self {
        let (addresses, seen) = (maps.addresses.clone(), maps.last_seen.clone());
        Self {
            bridge,
            pair,
            behind: None,
            is_abandoned: false,
            table: AddressTable::new(AddressWords::new(addresses, seen, seed)),
            views: HashMap::new(),
            paths: HashMap::new(),
            foreign: HostRules::default(),
            watched: false,
            newcomers: Arc::new(Notify::new()),
        }
    }
}

impl Forwarder {
    /// Puts the interface of a port that has come (back) into weir's own bridge, unless it is in a
    /// bridge.
    pub(super) async fn join_own_bridge(
        &self,
        plan: &PortPlan,
        link: &Link,
    ) -> Result<(), MakeError> {
        if !self.gate.bridge.own || link.master.is_some() || plan.of_bridge {
            return Ok(());
        }
        let (ports, force) = ([link.name.clone()], self.force);
        let made = tokio::task::spawn_blocking(move || make::make(&ports, force)).await;
        // Only a panic or the end of the runtime can keep the task from finishing.
        made.map_or(Ok(()), |made| made.map(drop))
    }

    /// Opens the way from the gate to the workers.
    pub async fn open_gate(&mut self) -> anyhow::Result<()> {
        let inside = "weir's own network namespace cannot be entered";
        let pair = &self.gate.pair;
        let (netns, inner) = (pair.netns.clone(), pair.inner.clone());
        let fence = self.steering.attach_fence(&pair.outer.name)?;
        let clearing = Clearing::start(&netns, inner.ifindex, &self.steering.gate);
        let clearing = clearing.context(inside)?;
        for worker in 0..self.workers.count() {
            let queue = worker as u32;
            let config = XskConfig {
                first_queue: queue,
                rx_ring: RX_PLACES as u32,
                tx_ring: 64,
                fill_quota: FILL,
                ..XskConfig::new(&inner.name, inner.ifindex, SHARED_RING)
            };
            let (umem, netns) = (self.umem.clone(), netns.clone());
            let bound =
                tokio::task::spawn_blocking(move || netns.enter(|| XskPort::bind(&umem, config)));
            let port = bound.await?.context(inside)?;
            let port =
                port.context("the workers' sockets on weir's own pair could not be bound")?;
            let maps = &mut self.steering.gate;
            for (_, socket) in port.xsk_fds() {
                maps.set_worker(queue, socket)?;
            }
            self.workers.handle(worker)?.gather(port, clearing.thread()).await?;
        }
        let steering = &mut self.steering;
        let attached = netns.enter(|| steering.attach_behind(inner.ifindex, &inner.name));
        let [behind, catch_all] = attached.context(inside)??;
        self.gate.behind = Some(Behind { _clearing: clearing, _links: [behind, catch_all, fence] });
        Ok(())
    }

    /// The pair is gone: from here on all ports are left to the bridge, and frames that do not arrive
    /// within a moment are lost.
    pub async fn abandon_pair(&mut self) {
        self.clear_workers();
        self.gate.is_abandoned = true;
        tokio::time::sleep(SETTLE).await;
    }

    /// Without the pair, steered frames that have not arrived are lost. Each report counts them again:
    /// a worker may still find a frame in its ring.
    pub(super) fn give_up_missing(
        &self,
        ports: &mut [PortNumbers<'_>],
        snapshots: &[WorkerSnapshot],
    ) {
        if !self.gate.is_abandoned {
            return;
        }
        // Frames of a port that is no longer known are already counted under a reason.
        let mut named = ledger::at_the_door(&WorkersTotal::of(snapshots).orphans);
        for port in ports {
            // A native port's frames do not pass the pair.
            if port.entry.active.as_ref().is_some_and(|active| active.mode == Mode::Native) {
                continue;
            }
            let counts = &mut port.ledger;
            let missing = counts.after.steered.saturating_sub(counts.worker.arrived());
            let taken = missing.min(named);
            named -= taken;
            counts.worker.give_up(missing - taken);
        }
    }

    /// From here on the gate finds no worker.
    pub(super) fn clear_workers(&mut self) {
        for worker in 0..self.workers.count() {
            if let Err(error) = self.steering.gate.clear_worker(worker as u32) {
                tracing::debug!("{error}");
            }
        }
    }
}
