//! Whole scenarios without a kernel: sources, the real engine, links with a rate, faults, changes of
//! the settings, and a table of what came of it. Invariant: the same scenario gives the same table,
//! on any machine.
//!
//! ```text
//!  sources ─► rx ring ─► offer ─► containers ─► next ─► device queue ─► link at its rate
//!     ▲      (bounded)      the real Engine    (shaped)   (refuses)     (drops, stalls)
//!     └─────────── shed: dropped at the source ──┘
//! ```
//! Virtual time advances a turn at a time; in every turn the worker serves each port once.
//!
//! A link can be slow in two ways: `PortSettings::link_rate` is what the engine keeps to, and
//! `device_rate` is what the device does whatever the engine gives it. Links that are to be shared
//! need the first: in front of a device that is slower than it should be, queues form behind the
//! scheduler's back.

mod device;
mod environment;
mod phases;
mod report;
mod source;
mod world;

pub use phases::{LinkShare, Phase};
pub use report::{PairReport, Report};
pub use source::{Pattern, Size, Source};

use crate::{ByteSize, PortSettings, Rate, ReleaseSettings, Role, SchedulerSettings, Span};

/// A port and the device behind it.
#[derive(Clone, Debug)]
pub struct SimPort {
    pub name: &'static str,
    pub settings: PortSettings,
    /// Of the device behind it; `None`: what is handed over arrives at once.
    pub device_rate: Option<Rate>,
    /// Packets the device holds before it refuses more.
    pub device_packets: usize,
    /// Of a million packets handed over, so many are dropped by the device.
    pub device_drops_ppm: u32,
    /// Packets received and not yet looked at; what comes on top is lost.
    pub rx_packets: usize,
}

impl SimPort {
    #[must_use]
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

    /// A link whose device is this fast, and the engine does not know.
    #[must_use]
    pub fn uplink(name: &'static str, rate: Rate) -> Self {
        let settings = PortSettings::new(Role::Uplink);
        Self { settings, device_rate: Some(rate), ..Self::vif(name) }
    }

    /// A link that the engine keeps to this rate.
    #[must_use]
    pub fn shaped(name: &'static str, rate: Rate) -> Self {
        let settings = PortSettings { link_rate: Some(rate), ..PortSettings::new(Role::Uplink) };
        Self { settings, ..Self::vif(name) }
    }

    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.settings.share.weight = weight;
        self
    }

    #[must_use]
    pub fn min(mut self, rate: Rate) -> Self {
        self.settings.share.min_rate = Some(rate);
        self
    }

    #[must_use]
    pub fn max(mut self, rate: Rate) -> Self {
        self.settings.share.max_rate = Some(rate);
        self
    }

    #[must_use]
    pub fn queue(mut self, bytes: u64) -> Self {
        self.settings.queue_bytes = bytes;
        self
    }

    #[must_use]
    pub fn release(mut self, release: ReleaseSettings) -> Self {
        self.settings.release = release;
        self
    }
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The interface disappears, and returns empty.
    Gone { port: usize, from: Span, to: Span },
    /// The device takes no packet off its queue.
    Stalled { port: usize, from: Span, to: Span },
}

/// What an operator does while traffic runs.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Port(usize, PortSettings),
    Scheduler(SchedulerSettings),
}

/// A change at its time.
#[derive(Clone, Copy, Debug)]
pub struct TimedChange {
    pub at: Span,
    pub change: Change,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub seed: u64,
    /// How long the sources send.
    pub span: Span,
    /// How long the queues may take to empty after that.
    pub drain: Span,
    /// Between two looks of the worker at its ports.
    pub turn: Span,
    pub container: ByteSize,
    pub scheduler: SchedulerSettings,
    pub ports: Vec<SimPort>,
    pub sources: Vec<Source>,
    pub faults: Vec<Fault>,
    /// In the order of their times.
    pub steps: Vec<TimedChange>,
}

impl Scenario {
    #[must_use]
    pub fn new(name: &'static str, ports: Vec<SimPort>, sources: Vec<Source>) -> Self {
        Self {
            name,
            seed: 1,
            span: Span::new(100_000_000),
            drain: Span::new(1_000_000_000),
            turn: Span::new(10_000),
            container: ByteSize::new(4096),
            scheduler: SchedulerSettings::default(),
            ports,
            sources,
            faults: Vec::new(),
            steps: Vec::new(),
        }
    }

    #[must_use]
    pub fn run(&self) -> Report {
        world::World::new(self).run()
    }
}
