//! The pure core of weir: no clock, no I/O, no `unsafe`; time enters as an argument.
//!
//! - [`mod@invariant`]: checks for what cannot happen unless weir has a bug
//! - [`ids`]: ports, sets of ports, MAC addresses
//! - [`by_port`]: a table that takes memory only for the ports in it
//! - [`choice`]: what an operator chooses between, by name
//! - [`units`]: rates, sizes and times as people write them
//! - [`counts`]: numbers under the names of an enum
//! - [`ledger`]: every reason for which a frame can be lost
//! - [`addresses`]: which station is behind which port, for the gate, as the bridge reports it
//! - [`flow`], [`latency`]: what is measured of every packet
//! - [`container`], [`release`]: the unit of scheduling, and when it is released
//! - [`settings`]: what an operator promises
//! - [`sched`]: which source's container a link sends next
//! - [`work`]: how links share a worker's time
//! - [`engine`]: all of the above behind six calls, for the worker
//! - [`offload`]: checksums and segmentation on packet bytes
//! - [`sim`]: whole scenarios without a kernel
//!
//! `examples/weighted_link.rs` runs an engine by hand, `examples/simulation.rs` a scenario.
#![forbid(unsafe_code)]

pub mod addresses;
pub mod by_port;
pub mod choice;
pub mod container;
pub mod counts;
pub mod engine;
pub mod flow;
pub mod ids;
pub mod invariant;
pub mod latency;
pub mod ledger;
pub mod offload;
pub mod release;
pub mod sched;
pub mod settings;
pub mod sim;
pub mod units;
pub mod work;

pub use by_port::ByPort;
pub use choice::{
    Choice, Fallback, ForeignRules, Idle, Lane, Mode, Policy, Release, Reserved, Role,
};
pub use container::{CONTAINER_PACKETS, Container, Load};
pub use counts::{Named, NamedCounts};
pub use engine::{ContainerCounts, Engine, EngineConfig, Handed, PairCounts};
pub use flow::{FlowConfig, FlowCounts, FlowKey, FlowRef, FlowRow, FlowSum, FlowTable, PackedKey};
pub use ids::{MAX_PORTS, MAX_WORKERS, Mac, PortId, PortSet};
pub use latency::{Bin, Stage, VifLatency};
pub use ledger::{Losses, Reason};
pub use release::{Estimate, ReleaseReason, Releases};
pub use sched::{Caps, Next, Scheduler};
pub use settings::{PortSettings, ReleaseSettings, SchedulerSettings, Share};
pub use units::{ByteSize, Rate, Span};
pub use work::{Amount, WorkShare};

/// What the core needs to know about a packet. The implementing type owns the bytes. The core only moves it,
/// so it can be a token that cannot be copied.
pub trait Packet {
    /// The whole length in bytes, over all fragments. It must not change while the engine holds the packet.
    fn len(&self) -> u32;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frames of the pool that it occupies. Like the length, this must not change while the engine holds
    /// it.
    fn frames(&self) -> u32 {
        1
    }

    /// When it was first seen, on the clock that `now` comes from.
    fn arrived_ns(&self) -> u64;
}
