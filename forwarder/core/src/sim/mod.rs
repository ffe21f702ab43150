//! Whole scenarios without a kernel: sources, the real engine, links with a rate, faults, and a
//! table of what came of it. Invariant: the same scenario gives the same table, on any machine.
//!
//! ```text
//!  sources ─► rx ring ─► decide, offer ─► containers ─► next ─► device queue ─► link at its rate
//!            (bounded)         the real Engine                   (refuses)     (drops, stalls)
//! ```
//! Virtual time advances a turn at a time; in every turn the worker serves each port once.

mod report;
mod source;
mod world;

pub use report::{Report, Row};
pub use source::{Pattern, Size, Source, Target};

use crate::{ByteSize, EngineConfig, Mac, PortRole, Rate, Span};

/// A port and the device behind it.
#[derive(Clone, Debug)]
pub struct SimPort {
    pub name: &'static str,
    pub role: PortRole,
    /// Of the link towards this port; `None`: what is handed over arrives at once.
    pub rate: Option<Rate>,
    /// Packets the device holds before it refuses more.
    pub device_packets: usize,
    /// Of a million packets handed over, so many are dropped by the device.
    pub device_drops_ppm: u32,
    /// Packets received and not yet looked at; what comes on top is lost.
    pub rx_packets: usize,
    /// Bound for what came from this port and waits for one link.
    pub queue: ByteSize,
}

impl SimPort {
    #[must_use]
    pub fn vif(name: &'static str) -> Self {
        Self {
            name,
            role: PortRole::Vif,
            rate: None,
            device_packets: 256,
            device_drops_ppm: 0,
            rx_packets: 2048,
            queue: ByteSize::new(EngineConfig::DEFAULT_QUEUE_BYTES),
        }
    }

    #[must_use]
    pub fn uplink(name: &'static str, rate: Rate) -> Self {
        Self { role: PortRole::Uplink, rate: Some(rate), ..Self::vif(name) }
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
    pub ports: Vec<SimPort>,
    pub sources: Vec<Source>,
    pub faults: Vec<Fault>,
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
            ports,
            sources,
            faults: Vec::new(),
        }
    }

    #[must_use]
    pub fn run(&self) -> Report {
        world::World::new(self).run()
    }
}

/// The address of the machine behind a port.
fn mac_of(port: usize) -> Mac {
    Mac::new([2, 0, 0, 0, (port >> 8) as u8, port as u8])
}
