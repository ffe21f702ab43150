//! The pure core of weir: no clock, no I/O, no `unsafe`; time enters as an argument.
//!
//! - [`ids`]: ports, sets of ports, MAC addresses
//! - [`units`]: rates, sizes and times as people write them
//! - [`ledger`]: every name by which a frame can be lost, and the sum that must come out
//! - [`fdb`]: who is behind which port
//! - [`container`], [`release`]: the unit of scheduling, and when it is let go
//! - [`sched`]: who goes next on a link
//! - [`engine`]: all of the above behind six calls, for the worker
//! - [`offload`]: checksums and segmentation on packet bytes
//! - [`sim`]: whole scenarios without a kernel
#![forbid(unsafe_code)]

pub mod container;
pub mod engine;
pub mod fdb;
pub mod ids;
pub mod ledger;
pub mod offload;
pub mod release;
pub mod sched;
pub mod sim;
pub mod units;

pub use container::{CONTAINER_PACKETS, Container};
pub use engine::{Decision, Engine, EngineConfig, Key, PortRole};
pub use fdb::{Fdb, FdbEntry, Learned};
pub use ids::{MAX_PORTS, Mac, PortId, PortSet};
pub use ledger::{Ledger, Losses, Reason};
pub use release::{ReleasePolicy, ReleaseReason};
pub use sched::{Next, Scheduler};
pub use units::{ByteSize, Rate, Span};

/// What the core needs to know about a packet. Whoever implements it owns the bytes; the core
/// only moves it, so it can be a token that cannot be copied.
pub trait Packet {
    /// Whole length in bytes, all fragments. It must not change while the engine holds the packet.
    fn len(&self) -> u32;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When it was seen first, on the clock that `now` comes from.
    fn arrived_ns(&self) -> u64;
}
