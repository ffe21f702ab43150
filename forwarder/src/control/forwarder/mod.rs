//! The forwarder as the control side sees it: the program, the worker, and the ports between them.
//!
//! - [`roster`]: the ports by name, the slots they hold, and their books over all their lives
//! - [`lifecycle`]: taking a port into service and out of it, in the order that loses nothing
//! - [`follow`]: making the ports match the interfaces that are there
//! - [`tell`]: reports for the API
//!
//! Invariant: the program is attached to an interface only while a worker serves its sockets.

mod follow;
mod lifecycle;
pub mod roster;
mod tell;

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

use weir_core::{EngineConfig, PortId};
use weir_port::{Pool, UmemHandle, XskPort};

use super::attach::Steering;
use super::btf;
use super::links::Snapshot;
use super::plan::{Idle, Plan};
use super::report::StatsReport;
use super::settings::HostSettings;
use crate::worker::{IdlePolicy, WorkerGone, WorkerHandle, WorkerSettings};
pub use lifecycle::PortError;
use roster::Roster;

/// Frames in the pool, 4 KiB each: per port what its fill ring takes and half as much again for
/// what is held and sent.
const FRAMES_PER_PORT: u32 = 6 * 1024;
const FRAMES_MIN: u32 = 16 * 1024;
const FRAMES_MAX: u32 = 256 * 1024;
/// A bridge may have this many ports before the pool gets scarce, or twice those of now.
const FOLLOWED_PORTS: u32 = 8;
/// How long a stopping forwarder waits for queues and devices to empty.
const DRAIN: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the frame pool could not be made: {0}")]
    Pool(#[from] weir_port::UmemError),
    #[error("the XDP program could not be loaded: {0}")]
    Steering(#[from] super::attach::LoadError),
    #[error("the worker could not be started: {0}")]
    Worker(#[source] std::io::Error),
}

/// See the module.
#[derive(Debug)]
pub struct Forwarder {
    plan: Plan,
    force: bool,
    steering: Steering,
    settings: HostSettings,
    umem: UmemHandle,
    worker: WorkerHandle<XskPort>,
    roster: Roster,
    started: Instant,
    stopping: bool,
}

impl Forwarder {
    /// Loads the program and starts the worker; takes no port into service yet.
    pub fn start(
        plan: Plan,
        settings: HostSettings,
        links: &Snapshot,
        force: bool,
    ) -> Result<Self, StartError> {
        let steering = Steering::load(&btf::facts_or_none())?;
        let members = plan
            .bridge
            .as_deref()
            .and_then(|name| links.by_name(name))
            .map_or(0, |bridge| links.ports_of(bridge.ifindex).count());
        let frames = frames_for(&plan, members);
        let (pool, umem) = Pool::umem(frames)?;
        let core = plan.forwarder.workers.first().copied().unwrap_or(0);
        let engine = EngineConfig {
            container_bytes: u32::try_from(plan.container.bytes).unwrap_or(u32::MAX),
            fdb_seed: random_seed(),
            ..EngineConfig::default()
        };
        let idle = match plan.forwarder.idle {
            Idle::Spin => IdlePolicy::Spin,
            Idle::Adaptive => IdlePolicy::Adaptive,
            Idle::Sleep => IdlePolicy::Sleep,
        };
        let worker = WorkerHandle::spawn(WorkerSettings { core, idle, engine }, pool)
            .map_err(StartError::Worker)?;
        let roster = Roster::default();
        let started = Instant::now();
        Ok(Self { plan, force, steering, settings, umem, worker, roster, started, stopping: false })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn worker_lives(&self) -> bool {
        self.worker.lives()
    }

    /// A port of the roster by what the bridge's table calls it.
    fn port_at(&self, ifindex: u32) -> Option<PortId> {
        self.roster.active_at(ifindex)
    }

    /// Detaches everything, lets what is under way arrive, and puts the host back as it was.
    /// What it gives is the end of the books.
    pub async fn stop(&mut self) -> Result<StatsReport, WorkerGone> {
        self.stopping = true;
        self.silence();
        let until = Instant::now() + DRAIN;
        while !self.is_drained().await && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for name in self.roster.names() {
            self.take_out(&name, roster::State::Stopped).await;
        }
        for error in self.settings.restore_all() {
            tracing::error!("a setting could not be put back: {error}");
        }
        self.stats().await
    }
}

/// So that nobody outside can tell which addresses collide in the table.
fn random_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

fn frames_for(plan: &Plan, members: usize) -> u32 {
    let members = u32::try_from(members).unwrap_or(u32::MAX);
    let ports = match plan.bridge {
        Some(_) => members.saturating_mul(2).max(FOLLOWED_PORTS),
        None => u32::try_from(plan.ports.len()).unwrap_or(u32::MAX),
    };
    ports
        .saturating_mul(FRAMES_PER_PORT)
        .checked_next_power_of_two()
        .unwrap_or(FRAMES_MAX)
        .clamp(FRAMES_MIN, FRAMES_MAX)
}
