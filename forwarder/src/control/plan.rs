//! What weir has been asked to do, validated: plain data that the control plane turns into
//! ports and workers. Invariant: a `Plan` holds no contradiction that could be seen without
//! asking the kernel; whether an interface exists is found out when it is attached.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use weir_core::{
    PortRole, PortSettings, Rate, ReleasePolicy, ReleaseSettings, SchedulerSettings, Share,
    settings,
};

/// Where the control socket is unless the configuration or the command line says otherwise.
pub const DEFAULT_CONTROL: &str = "/run/weir.sock";
/// What one vif may have queued towards one link.
pub const DEFAULT_QUEUE_BYTES: u64 = 512 * 1024;
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
    /// The core of the worker that serves it, one of the forwarder's; `None`: any.
    pub worker: Option<usize>,
    /// What the program does with a frame when no worker listens.
    pub fallback: Fallback,
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

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The way out: unknown destinations go there.
    Uplink,
    /// A virtual machine's interface.
    Vif,
}

/// How the program is attached and the socket bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// At the port's tcx hook: what needs no scheduling is left to the bridge
    #[value(alias = "auto")]
    Gate,
    /// In the driver (XDP), steered to a socket of the port's own
    Native,
    /// Of the first version of weir, which attached generic XDP
    #[value(hide = true)]
    Skb,
}

impl Mode {
    /// What is meant by it today.
    pub fn settled(self) -> Self {
        if self != Self::Skb {
            return self;
        }
        tracing::warn!(
            "mode \"skb\" is now \"gate\", the default: nothing needs to be said for it"
        );
        Self::Gate
    }
}

/// What the worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Idle {
    /// Poll without end: the lowest latency, a whole core
    Spin,
    /// Poll for a while, then sleep until a frame arrives
    Adaptive,
    /// Sleep at once: the least CPU
    Sleep,
}

/// When a container is handed to its scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Release {
    Eager,
    Fixed,
    Adaptive,
}

/// How a link is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    Drr,
    Wrr,
    Fifo,
}

/// Where a frame goes when nobody listens on the port's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fallback {
    /// To the kernel: a bridge below carries on.
    Pass,
    /// Nowhere: an isolated port stays isolated.
    Drop,
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
            role: match port.role {
                Role::Uplink => PortRole::Uplink,
                Role::Vif => PortRole::Vif,
            },
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
                policy: match port.release.unwrap_or(self.container.release) {
                    Release::Eager => ReleasePolicy::Eager,
                    Release::Fixed => ReleasePolicy::Fixed,
                    Release::Adaptive => ReleasePolicy::Adaptive,
                },
                timeout_ns: port.timeout_ns.unwrap_or(self.container.timeout_ns),
                alpha_q16: self.container.alpha_q16(),
                work_conserving: port.work_conserving.unwrap_or(self.container.work_conserving),
            },
            remote: false,
        }
    }

    /// How all links are shared, as the engine takes it.
    pub fn scheduler_settings(&self) -> SchedulerSettings {
        SchedulerSettings {
            policy: match self.scheduler.policy {
                Policy::Drr => settings::Policy::Drr,
                Policy::Wrr => settings::Policy::Wrr,
                Policy::Fifo => settings::Policy::Fifo,
            },
            inactive_after_ns: self.scheduler.inactive_after_ns,
        }
    }

    /// One mode for every port, as the command line asks.
    pub fn set_mode(&mut self, mode: Mode) {
        let mode = mode.settled();
        self.defaults.mode = mode;
        for port in &mut self.ports {
            port.mode = mode;
        }
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
        Self { mode: Mode::Gate, queue_bytes: DEFAULT_QUEUE_BYTES, fallback: Fallback::Pass }
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
            worker: None,
            fallback: self.fallback,
            mac_lock: Vec::new(),
            ip_lock: Vec::new(),
            of_bridge: false,
            at: None,
        }
    }
}

impl PortPlan {
    /// The line of the configuration that names the port.
    pub fn line(&self) -> Option<usize> {
        self.at.as_ref().map(|at| at.line)
    }
}

/// The name of a choice as the configuration and the command line write it.
pub fn name_of<T: ValueEnum>(choice: &T) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// All names of a choice: `drr | wrr | fifo`.
pub fn names_of<T: ValueEnum>() -> String {
    let hidden = |choice: &&T| choice.to_possible_value().is_some_and(|value| value.is_hide_set());
    let shown = T::value_variants().iter().filter(|choice| !hidden(choice));
    shown.map(name_of).collect::<Vec<_>>().join(" | ")
}

macro_rules! display_as_named {
    ($($choice:ty),*) => {$(
        impl fmt::Display for $choice {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(&name_of(self))
            }
        }
    )*};
}
display_as_named!(Role, Mode, Idle, Release, Policy, Fallback);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_plan_knows_its_uplinks_and_makes_vifs_of_the_rest() {
        let mut plan = Plan::for_bridge("br0", &["eth1".into()], 1);
        assert_eq!(plan.forwarder.workers, [1]);
        assert_eq!(plan.port_named("eth1").role, Role::Uplink);
        assert_eq!(plan.port_named("tap7"), PortDefaults::default().port("tap7", Role::Vif));
        plan.set_mode(Mode::Native);
        assert_eq!(plan.port_named("eth1").mode, Mode::Native);
        assert_eq!(plan.port_named("tap7").mode, Mode::Native);
    }

    #[test]
    fn a_ports_own_promises_come_before_those_for_all() {
        let mut plan = Plan::for_bridge("br0", &["eth1".into()], 1);
        let plain = plan.port_named("tap7");
        assert_eq!(plan.port_settings(&plain), PortSettings::new(PortRole::Vif));
        assert_eq!(plan.scheduler_settings(), SchedulerSettings::default());
        plan.container.release = Release::Adaptive;
        plan.container.timeout_ns = 1_000;
        plan.container.alpha = 1e-9;
        let own = PortPlan {
            weight: 4,
            max_rate: Some(Rate::new(7)),
            timeout_ns: Some(2_000),
            work_conserving: Some(false),
            ..plain
        };
        let settings = plan.port_settings(&own);
        assert_eq!((settings.share.weight, settings.share.max_rate), (4, Some(Rate::new(7))));
        let release = ReleaseSettings {
            policy: ReleasePolicy::Adaptive,
            timeout_ns: 2_000,
            alpha_q16: 1,
            work_conserving: false,
        };
        assert_eq!(settings.release, release);
    }

    #[test]
    fn choices_are_written_as_the_operator_writes_them() {
        assert_eq!(names_of::<Mode>(), "auto | skb | native | gate");
        assert_eq!(format!("{:<7}|", Role::Vif), "vif    |");
    }
}
