//! weir's validated configuration: plain data that the control side turns into ports and workers.
//! Invariant: a `Plan` holds no contradiction that could be seen without asking the kernel; whether an
//! interface exists shows when it is attached.

use std::sync::Arc;

use toml::de::DeValue;
use weir_core::{PortSettings, Release, ReleaseSettings, Role, SchedulerSettings, Share};

use crate::{
    ConfigErrors, ContainerPlan, ForwarderPlan, Host, MeasurePlan, PortPlan, SchedulerPlan,
    sections::WORKERS, setting::Context, value::Value as _,
};

/// Everything `weir run` needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub forwarder: ForwarderPlan,
    pub container: ContainerPlan,
    pub scheduler: SchedulerPlan,
    pub measure: MeasurePlan,
    /// The bridge whose ports are followed as they come and go; `None` with `--config`.
    pub bridge: Option<String>,
    /// In the file's order. With a bridge: the uplinks only, as its other ports are found as vifs.
    pub ports: Vec<PortPlan>,
    /// The plan of a port that is not listed (one that joins the bridge).
    pub defaults: PortPlan,
}

/// A place in a file, with its line, so that a later error (an interface is missing) can show it.
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
    /// The plan of `--bridge`: every port of the bridge but the uplinks, present or future, is a vif.
    pub fn for_bridge(bridge: &str, uplinks: &[String], worker: usize) -> Self {
        let uplink = |name: &String| PortPlan::default().port(name, Role::Uplink);
        Self {
            forwarder: ForwarderPlan::on(worker),
            bridge: Some(bridge.to_owned()),
            ports: uplinks.iter().map(uplink).collect(),
            ..Self::default()
        }
    }

    /// Whether the plan lists this port itself.
    pub fn lists(&self, name: &str) -> bool {
        self.ports.iter().any(|port| port.name == name)
    }

    /// The plan of an interface: its own, or that of a plain vif of the bridge if it is not listed.
    pub fn port_named(&self, name: &str) -> PortPlan {
        let own = self.ports.iter().find(|port| port.name == name).cloned();
        own.unwrap_or_else(|| self.plain(name))
    }

    pub(crate) fn plain(&self, name: &str) -> PortPlan {
        PortPlan { of_bridge: true, ..self.defaults.port(name, Role::Vif) }
    }

    /// A port's promises in the engine's form, but for its worker and its bound in frames.
    pub fn port_settings(&self, port: &PortPlan) -> PortSettings {
        PortSettings {
            queue_bytes: port.queue.bytes,
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
            ..PortSettings::new(port.role)
        }
    }

    /// The release policy of a port's containers.
    pub fn release_of(&self, port: &PortPlan) -> Release {
        port.release.unwrap_or(self.container.release)
    }

    /// The sharing of all links, in the engine's form.
    pub fn scheduler_settings(&self) -> SchedulerSettings {
        SchedulerSettings {
            policy: self.scheduler.policy,
            inactive_after_ns: self.scheduler.inactive_after.ns,
        }
    }

    /// The plans of all present and future ports.
    pub fn every_port(&mut self) -> impl Iterator<Item = &mut PortPlan> {
        self.ports.iter_mut().chain([&mut self.defaults])
    }

    /// The workers of the option `--worker`, which keep the rules for those of a file.
    pub fn set_workers(&mut self, cores: &[u64], host: &Host) -> Result<(), ConfigErrors> {
        const KEY: &str = "--worker";
        let list = format!("{cores:?}");
        let unreadable = |error: toml::de::Error| ConfigErrors::argument(KEY, error.message(), "");
        let node = DeValue::parse(&list).map_err(unreadable)?;
        let workers = Vec::<usize>::read(&node, &WORKERS, &Context { host, workers: &[] })
            .map_err(|faults| ConfigErrors::of_faults(KEY, faults))?;
        let needed = |port: &PortPlan| port.worker.filter(|core| !workers.contains(core));
        if let Some((port, core)) = self.ports.iter().find_map(|port| Some((port, needed(port)?))) {
            let wrong = format!("port {} is given to core {core}", port.name);
            return Err(ConfigErrors::argument(
                KEY,
                wrong,
                format!("valid: a list with {core} in it"),
            ));
        }
        self.forwarder.workers = workers;
        Ok(())
    }
}

impl ForwarderPlan {
    /// One worker on this core, everything else by default.
    pub fn on(worker: usize) -> Self {
        Self { workers: vec![worker], ..Self::default() }
    }
}

impl ContainerPlan {
    /// Neither 0 nor 1, which would be no estimate: what rounds to one of them is moved beside it.
    fn alpha_q16(&self) -> u32 {
        ((self.alpha * 65_536.0).round() as u32).clamp(1, 65_535)
    }
}
