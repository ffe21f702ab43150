//! The control side's view of the forwarder: the program, the workers, and the ports between them.
//!
//! - [`roster`]: the ports by name, the slots they hold, and their counts over all their lives
//! - [`workers`]: which worker serves which port; [`quota`]: the frames that each port may use
//! - [`lifecycle`]: taking a port into service and out of it, in an order that loses nothing;
//!   [`program`]: what the program knows of it
//! - [`follow`]: making the ports match the present interfaces
//! - [`reattach`]: programs of ours are restored when they were detached
//! - [`gate`]: the way from the gate to the workers; [`mirroring`]: what the gate knows of the bridge
//! - [`express`]: which frames the gate may forward by itself, and how; [`clearing`]: when the frames
//!   given to the bridge have arrived
//! - [`live`]: changes of the plan while traffic flows
//! - [`watching`]: captures and traces
//! - [`report`]: reports for the API
//!
//! Invariant: the program is attached to an interface only while a worker serves its sockets.

mod clearing;
mod express;
mod follow;
mod gate;
mod lifecycle;
mod live;
mod mirroring;
mod program;
mod quota;
mod reattach;
mod report;
pub mod roster;
pub(super) mod watching;
mod workers;

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use weir_core::{EngineConfig, FlowConfig, Reason, SchedulerSettings};
use weir_port::probe::KernelFacts;
use weir_port::{Pool, UmemError, UmemHandle, clock_monotonic_ns};

use self::gate::Gate;
use self::lifecycle::Closing;
use self::workers::{Workers, most_ports};
use weir_abi::table;

use super::run::Ending;
use crate::host::attach::Steering;
use crate::host::links::Snapshot;
use crate::host::pair::{Identity, Pair};
use crate::host::settings::HostSettings;
use crate::observe::measure::Measurements;
use crate::worker::{NoAnswer, Pulses, WorkerSettings};
pub use gate::Bridge;
#[cfg(test)]
pub(crate) use live::refused;
pub use live::{ApplyError, wrong_ports};
use roster::Roster;
use weir_api::{FlowQuery, FlowsReport, LatencyQuery, LatencyReport, LedgerReport, StatsReport};
use weir_schema::Plan;

/// Headroom of the pool: a bridge may get this many more ports, plus a quarter of its present ones,
/// before frames get scarce.
const FOLLOWED_PORTS: u32 = 8;
/// How long a stopping forwarder waits for queues and devices to empty.
const DRAIN: Duration = Duration::from_secs(1);
/// How long it waits for workers to give back their ports, and then for their last numbers. Longer than
/// a drain takes, and longer than the wait for a worker that does not answer.
const WIND_DOWN: Duration = Duration::from_secs(5);
const LAST_NUMBERS: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Forwarder {
    pub plan: Plan,
    /// The operator gave `--force`.
    pub force: bool,
    pub(super) steering: Steering,
    pub settings: HostSettings,
    umem: UmemHandle,
    frames_per_worker: u32,
    pub(super) workers: Workers,
    /// Latency and flows, which can be read without the forwarder's lock.
    pub measured: Arc<Measurements>,
    roster: Roster,
    /// Whether the workers run, as their heartbeats tell the gate.
    pub pulses: Pulses,
    pub(super) gate: Gate,
    /// The links' scheduler settings, if a worker that did not answer may not have them.
    owed: Option<SchedulerSettings>,
    stopping: bool,
    /// Ports that left since the forwarder began to stop.
    closing: Vec<Closing>,
}

/// The last numbers of a stopped forwarder.
#[derive(Clone, Debug)]
pub struct FinalNumbers {
    pub stats: StatsReport,
    /// With histograms, if they were requested.
    pub measured: Option<(LatencyReport, FlowsReport)>,
}

impl Forwarder {
    /// Loads the program and starts the workers; takes no port into service yet.
    pub fn start(
        plan: Plan,
        settings: HostSettings,
        bridge: Bridge,
        links: &Snapshot,
        force: bool,
    ) -> anyhow::Result<Self> {
        let cores = plan.forwarder.workers.clone();
        let count = u32::try_from(cores.len()).unwrap_or(u32::MAX);
        let identity = Identity::new(&plan.forwarder.control)
            .context("weir's own pair of devices cannot be named")?;
        let pins = program::claim(identity)?;
        let pair = Pair::ensure(identity, count)?;
        if let Some(warning) = &pair.warning {
            tracing::warn!("{warning}");
        }
        let seed = table::Seed { xor: random_seed(), multiply: random_seed() };
        let load = |facts| Steering::load(&facts, pair.outer.ifindex, seed);
        let loaded = KernelFacts::read().map_err(anyhow::Error::from).and_then(load);
        let mut steering = loaded.context("the XDP program could not be loaded")?;
        steering.pins = pins;
        let members = plan
            .bridge
            .as_deref()
            .and_then(|name| links.by_name(name))
            .map_or(0, |bridge| links.ports_of(bridge.ifindex).count());
        let enough = || quota::frames_per_worker(busiest(&plan, members), count);
        let frames_per_worker = plan.forwarder.frames.unwrap_or_else(enough);
        let frames = frames_per_worker.saturating_mul(count);
        // Made where the workers' receive rings will be.
        let pool = pair.netns.enter(|| Pool::umem(frames));
        let pool = pool.unwrap_or_else(|source| Err(UmemError::Anchor { source }));
        let (pool, umem) = pool.context("the frame pool could not be made")?;
        let (out, home) = (steering.gate.taken.clone(), steering.gate.given_back.clone());
        let flows = FlowConfig {
            capacity: plan.measure.flows,
            idle_ns: plan.measure.flow_idle.ns,
            seed: random_seed(),
        };
        let for_worker = |core, caps, peers| WorkerSettings {
            core,
            idle: plan.forwarder.idle,
            engine: EngineConfig {
                container_bytes: u32::try_from(plan.container.bytes.bytes).unwrap_or(u32::MAX),
                scheduler: plan.scheduler_settings(),
            },
            latency: plan.measure.latency,
            flows,
            caps,
            shed: steering.shed.clone(),
            home: home.clone(),
            out: out.clone(),
            clock: clock_monotonic_ns,
            doors: steering.gate.doors.clone(),
            peers,
        };
        let workers = Workers::spawn(&cores, pool.divide(cores.len()), for_worker)
            .context("the workers could not be started")?;
        let express = Box::new(steering.counters.clone());
        let measured = Measurements::new(workers.askers(), express, plan.measure);
        let pulses = Pulses::new(out, cores.len());
        let gate = Gate::new(bridge, pair, &steering.gate, seed);
        Ok(Self {
            plan,
            force,
            steering,
            settings,
            umem,
            frames_per_worker,
            workers,
            measured,
            roster: Roster::default(),
            pulses,
            gate,
            owed: None,
            closing: Vec::new(),
            stopping: false,
        })
    }

    /// Stops steering, lets frames under way arrive, detaches everything (at a restart: all but the
    /// gates), and restores the host. Returns the last numbers, with latency and flows if `measured`.
    ///
    /// The programs are detached and the settings restored whether workers answer or not, and the whole
    /// takes no longer than [`DRAIN`], [`WIND_DOWN`] and [`LAST_NUMBERS`].
    pub async fn stop(&mut self, ending: Ending, measured: bool) -> anyhow::Result<FinalNumbers> {
        self.stopping = true;
        let stuck = self.pulses.still(clock_monotonic_ns()).is_some();
        // From here on the ports' fallback applies to frames that would be steered; the gate goes on
        // handing over frames itself.
        self.pulses.say_gone();
        // Frames that the bridge sends now would use up the links that the workers need.
        self.end_charging();
        if !stuck {
            let _ = tokio::time::timeout(DRAIN, self.drained()).await;
        }
        match ending {
            Ending::Stop => {
                self.settings.expedite(self.roster.active().count());
                self.roster.names().iter().for_each(|name| self.detach(name));
                if let Some(pins) = &self.steering.pins {
                    pins.close();
                }
            }
            Ending::HandOver => self.leave_gates(),
        }
        if tokio::time::timeout(WIND_DOWN, self.wind_down()).await.is_err() {
            tracing::error!(
                "not all ports were given back within {WIND_DOWN:?}; they are detached"
            );
        }
        for error in self.settings.restore_all() {
            tracing::error!("a setting could not be put back: {error}");
        }
        let numbers = tokio::time::timeout(LAST_NUMBERS, self.last(measured));
        let late = || format!("the workers' last numbers were not there within {LAST_NUMBERS:?}");
        Ok(numbers.await.with_context(late)??)
    }

    /// Waits until every steered frame has come to its end, as far as the workers answer.
    async fn drained(&self) {
        let is_over = |ledger: &LedgerReport| ledger.in_flight == 0 && ledger.balanced;
        while let Ok(report) = self.stats().await
            && !is_over(&report.ledger)
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn wind_down(&mut self) {
        // For frames that were steered right before, on another core.
        let _ = tokio::time::timeout(DRAIN, self.drained()).await;
        for name in self.roster.names() {
            self.take_out(&name, roster::State::Stopped).await;
            // Work that an earlier end of its service left.
            let _ = self.give_back(&name, Reason::Shutdown).await;
        }
        self.end_closings().await;
        // The sockets are closed when the workers have ended: until then they count frames.
        self.clear_workers();
        self.gate.behind = None;
    }

    async fn last(&self, measured: bool) -> Result<FinalNumbers, NoAnswer> {
        let mut numbers = None;
        if measured {
            let times = LatencyQuery { histograms: true, reset: false };
            let flows = FlowQuery { histograms: true, ..FlowQuery::default() };
            numbers =
                Some((self.measured.latency(times).await?, self.measured.flows(flows).await?));
        }
        Ok(FinalNumbers { stats: self.stats().await?, measured: numbers })
    }
}

/// A random seed, so that guests cannot tell which addresses collide in the table.
fn random_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// The number of ports to expect at the busiest worker.
fn busiest(plan: &Plan, members: usize) -> u32 {
    let cores = &plan.forwarder.workers;
    let ports = plan.ports.iter().map(|port| (port.worker, plan.port_settings(port).role));
    let listed = most_ports(cores, ports);
    if plan.bridge.is_none() {
        return listed;
    }
    let members = u32::try_from(members).unwrap_or(u32::MAX);
    let workers = u32::try_from(cores.len()).unwrap_or(u32::MAX);
    let expected = members.saturating_add(members / 4).saturating_add(FOLLOWED_PORTS);
    expected.div_ceil(workers.max(1)).max(listed)
}
