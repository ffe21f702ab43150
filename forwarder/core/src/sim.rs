//! Simulation of whole scenarios without a kernel: sources, the real engine, links with a rate, faults,
//! changes of settings, and a table of the results. Invariant: the same scenario gives the same table, on any
//! machine.
//!
//! ```text
//!  sources ─► rx ring ─► offer ─► containers ─► next ─► device queue ─► link at its rate
//!     ▲      (bounded)      the real Engine    (shaped)   (refuses)     (drops, stalls)
//!     └─────────── shed: dropped at the source ──┘
//! ```
//! Virtual time advances one turn at a time. In every turn the worker serves each port once.
//!
//! A link can be slow in two ways. `PortSettings::link_rate` is the rate that the engine keeps to, and
//! `device_rate` is the rate of the device, whatever the engine gives it. Links that are to be shared need
//! the first: in front of a slower device, queues form where the scheduler does not control them.

mod environment;
mod phases;
mod report;
mod source;
mod world;

pub use phases::{LinkShare, Phase};
pub use report::{PairReport, Report};
pub use source::{Pattern, Random, Size, Source};

use crate::{PortSettings, Rate, Role, SchedulerSettings, Span};

/// A port and the device behind it.
#[derive(Clone, Debug)]
pub struct SimPort {
    pub name: &'static str,
    pub settings: PortSettings,
    /// The rate of the device; `None`: what is handed over arrives at once.
    pub device_rate: Option<Rate>,
    /// Packets the device holds before it refuses more.
    pub device_packets: usize,
    /// Of a million packets handed over, the number that the device drops.
    pub device_drops_ppm: u32,
    /// Packets received and not yet taken by the worker; further ones are lost.
    pub rx_packets: usize,
}

impl SimPort {
    pub fn vif(name: &'static str) -> Self {
        Self {
            name,
            settings: PortSettings::new(Role::Vif),
            device_rate: None,
            device_packets: 256,
            device_drops_ppm: 0,
            rx_packets: 2048,
        }
    }

    /// A link with a device of this rate, which the engine does not know.
    pub fn uplink(name: &'static str, rate: Rate) -> Self {
        let settings = PortSettings::new(Role::Uplink);
        Self { settings, device_rate: Some(rate), ..Self::vif(name) }
    }

    /// A link that the engine keeps to this rate.
    pub fn shaped(name: &'static str, rate: Rate) -> Self {
        let settings = PortSettings { link_rate: Some(rate), ..PortSettings::new(Role::Uplink) };
        Self { settings, ..Self::vif(name) }
    }

    /// Changes settings of the port.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut PortSettings)) -> Self {
        change(&mut self.settings);
        self
    }
}

/// A fault, and when it happens.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The interface disappears, and returns with empty queues.
    Gone { port: usize, from: Span, to: Span },
    /// The device takes no packet from its queue.
    Stalled { port: usize, from: Span, to: Span },
}

/// A change of settings by an operator while traffic runs.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Port(usize, PortSettings),
    Scheduler(SchedulerSettings),
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// How long the sources send.
    pub span: Span,
    /// The time between two turns of the worker.
    pub turn: Span,
    pub scheduler: SchedulerSettings,
    pub ports: Vec<SimPort>,
    pub sources: Vec<Source>,
    pub faults: Vec<Fault>,
    /// When, and what changes; ordered by time.
    pub steps: Vec<(Span, Change)>,
}

impl Scenario {
    pub fn new(name: &'static str, ports: Vec<SimPort>, sources: Vec<Source>) -> Self {
        Self {
            name,
            span: Span::new(100_000_000),
            turn: Span::new(10_000),
            scheduler: SchedulerSettings::default(),
            ports,
            sources,
            faults: Vec::new(),
            steps: Vec::new(),
        }
    }

    pub fn run(&self) -> Report {
        world::World::new(self).run()
    }
}
