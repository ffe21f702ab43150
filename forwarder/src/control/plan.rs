//! What weir has been asked to do, validated: plain data that the control plane turns into
//! ports and workers. Invariant: a `Plan` holds no contradiction that could be seen without
//! asking the kernel; whether an interface exists is found out when it is attached.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

pub use weir_core::{Fallback, ForeignRules, Idle, Lane, Mode, Policy, Release, Reserved, Role};
use weir_core::{PortSettings, Rate, ReleaseSettings, SchedulerSettings, Share};

/// Where the control socket is unless the configuration or the command line says otherwise.
pub const DEFAULT_CONTROL: &str = "/run/weir.sock";
/// What one vif may have queued towards one link.
pub const DEFAULT_QUEUE_BYTES: u64 = 512 * 1024;
/// Group frames, and frames for unknown addresses, of a vif: more than any protocol needs, and too
/// few to be felt by the others.
const DEFAULT_STORM_PER_S: u32 = 10_000;
/// One page: what a container holds.
pub const DEFAULT_CONTAINER_BYTES: u64 = 4096;

/// Everything `weir run` needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub forwarder: ForwarderPlan,
    pub container: ContainerPlan,
    pub scheduler: SchedulerPlan,
    pub measure: MeasurePlan,
    /// The bridge whose ports are followed as they come and go; `None` with `--config`.
    pub bridge: Option<String>,
    /// In the order of the file. With a bridge: the uplinks only, vifs are found by asking it.
    pub ports: Vec<PortPlan>,
    /// What a port that is not listed (one that joins the bridge) gets.
    pub defaults: PortDefaults,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwarderPlan {
    /// The core of each worker; never empty.
    pub workers: Vec<usize>,
    pub idle: Idle,
    pub control: PathBuf,
    /// Where Prometheus may ask; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
}

/// What is written down of every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasurePlan {
    /// How long packets took, by source and stage.
    pub latency: bool,
    /// Flows that are told apart at once, by each worker; 0: none.
    pub flows: u32,
    /// A flow without packets for so long has ended.
    pub flow_idle_ns: u64,
}

impl Default for MeasurePlan {
    fn default() -> Self {
        Self { latency: true, flows: 4096, flow_idle_ns: 60_000_000_000 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ContainerPlan {
    pub bytes: u64,
    pub release: Release,
    pub timeout_ns: u64,
    /// The share of packets the playout deadline should cover (paper B); unused by `eager`.
    pub alpha: f64,
    pub work_conserving: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerPlan {
    pub policy: Policy,
    pub inactive_after_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPlan {
    pub name: String,
    pub role: Role,
    pub mode: Mode,
    /// What it gets, as a source, of a contended link: 1 to [`Share::MAX_WEIGHT`].
    pub weight: u32,
    /// What it gets, as a source, on every link that has a rate, before anybody gets more.
    pub min_rate: Option<Rate>,
    /// What it may send over all links together.
    pub max_rate: Option<Rate>,
    /// How far above `max_rate` it may get after a pause.
    pub burst_bytes: u64,
    /// What may be sent towards it; `None`: what the device takes.
    pub rate: Option<Rate>,
    pub queue_bytes: u64,
    /// `None`, here and in the next two: as `[container]` says.
    pub release: Option<Release>,
    pub timeout_ns: Option<u64>,
    pub work_conserving: Option<bool>,
    /// Whether the gate may hand its frames on by itself.
    pub lane: Lane,
    /// The core of the worker that serves it, one of the forwarder's; `None`: any.
    pub worker: Option<usize>,
    /// What the program does with a frame when no worker listens.
    pub fallback: Fallback,
    /// Group and unknown frames that it may send in a second, 0: any number. `None`, here and in the
    /// next: as its role has it.
    pub storm: Option<u32>,
    /// Frames from it to 01:80:c2:00:00:0x.
    pub reserved: Option<Reserved>,
    /// Where rules of the host were found that the gate does not know.
    pub foreign_rules: ForeignRules,
    /// Source addresses the port may use; empty: any.
    pub mac_lock: Vec<[u8; 6]>,
    pub ip_lock: Vec<IpAddr>,
    /// It was not listed, but joined the bridge, and was promised something since: it is served
    /// only while it is a port of the bridge.
    pub of_bridge: bool,
    /// Where the file names the port; `None` when no file did.
    pub at: Option<Located>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortDefaults {
    pub mode: Mode,
    pub lane: Lane,
    pub queue_bytes: u64,
    pub fallback: Fallback,
}

/// A place in a configuration file, with the line itself: an error that is found after the file
/// was read (an interface is missing) still shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub file: Arc<str>,
    /// Counted from 1, as editors do.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// How many characters the caret underlines.
    pub width: usize,
    pub source_line: String,
}

impl Plan {
    /// The plan of `--bridge`: the uplinks are known by name, the vifs are whatever else is or
    /// becomes a port of the bridge.
    pub fn for_bridge(bridge: &str, uplinks: &[String], worker: usize) -> Self {
        let defaults = PortDefaults::default();
        Self {
            forwarder: ForwarderPlan::on(worker),
            container: ContainerPlan::default(),
            scheduler: SchedulerPlan::default(),
            measure: MeasurePlan::default(),
            bridge: Some(bridge.to_owned()),
            ports: uplinks.iter().map(|name| defaults.port(name, Role::Uplink)).collect(),
            defaults,
        }
    }

    /// Whether the plan has something of its own to say about this port.
    pub fn lists(&self, name: &str) -> bool {
        self.ports.iter().any(|port| port.name == name)
    }

    /// The plan for an interface: its own, or that of a vif nobody listed.
    pub fn port_named(&self, name: &str) -> PortPlan {
        self.ports
            .iter()
            .find(|port| port.name == name)
            .cloned()
            .unwrap_or_else(|| self.defaults.port(name, Role::Vif))
    }

    /// A port's promises as the engine takes them. Which worker it belongs to and how many frames
    /// it may hold depends on what runs, not on the plan.
    pub fn port_settings(&self, port: &PortPlan) -> PortSettings {
        PortSettings {
            role: port.role,
            queue_bytes: port.queue_bytes,
            queue_frames: u32::MAX,
            share: Share {
                weight: port.weight,
                min_rate: port.min_rate,
                max_rate: port.max_rate,
                burst_bytes: port.burst_bytes,
            },
            link_rate: port.rate,
            release: ReleaseSettings {
                policy: self.release_of(port),
                timeout_ns: port.timeout_ns.unwrap_or(self.container.timeout_ns),
                alpha_q16: self.container.alpha_q16(),
                work_conserving: port.work_conserving.unwrap_or(self.container.work_conserving),
            },
            remote: false,
        }
    }

    /// When a port's containers are let go.
    pub fn release_of(&self, port: &PortPlan) -> Release {
        port.release.unwrap_or(self.container.release)
    }

    /// How all links are shared, as the engine takes it.
    pub fn scheduler_settings(&self) -> SchedulerSettings {
        SchedulerSettings {
            policy: self.scheduler.policy,
            inactive_after_ns: self.scheduler.inactive_after_ns,
        }
    }

    /// One mode for every port, as the command line asks.
    pub fn set_mode(&mut self, mode: Mode) {
        self.defaults.mode = mode;
        for port in &mut self.ports {
            port.mode = mode;
        }
    }

    /// The same for the lane; it may be changed while weir runs.
    pub fn set_lane(&mut self, lane: Lane) {
        self.defaults.lane = lane;
        self.ports.iter_mut().for_each(|port| port.lane = lane);
    }
}

impl ForwarderPlan {
    /// One worker on this core, everything else by default.
    pub fn on(worker: usize) -> Self {
        Self {
            workers: vec![worker],
            idle: Idle::Adaptive,
            control: DEFAULT_CONTROL.into(),
            metrics: None,
        }
    }
}

impl ContainerPlan {
    /// Neither 0 nor 1, which would be no estimate at all: what is rounded there stays beside it.
    fn alpha_q16(&self) -> u32 {
        ((self.alpha * 65_536.0).round() as u32).clamp(1, 65_535)
    }
}

impl Default for ContainerPlan {
    fn default() -> Self {
        Self {
            bytes: DEFAULT_CONTAINER_BYTES,
            release: Release::Eager,
            timeout_ns: 200_000,
            alpha: 0.99,
            work_conserving: true,
        }
    }
}

impl Default for SchedulerPlan {
    fn default() -> Self {
        Self { policy: Policy::Drr, inactive_after_ns: 10_000_000 }
    }
}

impl Default for PortDefaults {
    fn default() -> Self {
        Self {
            mode: Mode::Gate,
            lane: Lane::Auto,
            queue_bytes: DEFAULT_QUEUE_BYTES,
            fallback: Fallback::Pass,
        }
    }
}

impl PortDefaults {
    pub fn port(&self, name: &str, role: Role) -> PortPlan {
        PortPlan {
            name: name.to_owned(),
            role,
            mode: self.mode,
            weight: Share::default().weight,
            min_rate: None,
            max_rate: None,
            burst_bytes: Share::DEFAULT_BURST_BYTES,
            rate: None,
            queue_bytes: self.queue_bytes,
            release: None,
            timeout_ns: None,
            work_conserving: None,
            lane: self.lane,
            worker: None,
            fallback: self.fallback,
            storm: None,
            reserved: None,
            foreign_rules: ForeignRules::Bridge,
            mac_lock: Vec::new(),
            ip_lock: Vec::new(),
            of_bridge: false,
            at: None,
        }
    }
}

impl PortPlan {
    /// Group and unknown frames in a second; 0: any number. What comes from outside is for everybody
    /// here.
    pub fn storm_per_s(&self) -> u32 {
        self.storm.unwrap_or(match self.role {
            Role::Uplink => 0,
            Role::Vif => DEFAULT_STORM_PER_S,
        })
    }

    pub fn passes_reserved(&self) -> bool {
        match self.reserved {
            Some(reserved) => reserved == Reserved::Pass,
            None => self.role == Role::Uplink,
        }
    }

    /// The line of the configuration that names the port.
    pub fn line(&self) -> Option<usize> {
        self.at.as_ref().map(|at| at.line)
    }
}

#[cfg(test)]
mod tests;
