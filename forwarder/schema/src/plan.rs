//! What weir has been asked to do, validated: plain data that the control plane turns into
//! ports and workers. Invariant: a `Plan` holds no contradiction that could be seen without
//! asking the kernel; whether an interface exists is found out when it is attached.

use std::sync::Arc;

use weir_core::{
    Lane, Mode, PortSettings, Release, ReleaseSettings, Role, SchedulerSettings, Share,
};

use crate::{ContainerPlan, ForwarderPlan, MeasurePlan, PortPlan, SchedulerPlan};

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
    pub defaults: PortPlan,
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
        let defaults = PortPlan::default();
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

    /// The plan for an interface: its own, or the default of a vif where the plan does not list it.
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
            queue_bytes: port.queue.bytes,
            queue_frames: u32::MAX,
            share: Share {
                weight: port.weight,
                min_rate: port.min_rate,
                max_rate: port.max_rate,
                burst_bytes: port.burst.bytes,
            },
            link_rate: port.rate,
            release: ReleaseSettings {
                policy: self.release_of(port),
                timeout_ns: port.timeout.unwrap_or(self.container.timeout).ns,
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
            inactive_after_ns: self.scheduler.inactive_after.ns,
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
        Self { workers: vec![worker], ..Self::default() }
    }
}

impl ContainerPlan {
    /// Neither 0 nor 1, which would be no estimate at all: what is rounded there stays beside it.
    fn alpha_q16(&self) -> u32 {
        ((self.alpha * 65_536.0).round() as u32).clamp(1, 65_535)
    }
}
