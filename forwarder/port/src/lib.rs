//! Frames, and the ways they enter and leave. Beside the tests' rig, this is the only package of weir that
//! may use `unsafe`.
//!
//! Invariant: every frame of a [`Pool`] has exactly one owner at any time, and
//! [`Pool::census`] adds up to the total.
//!
//! ```text
//!            alloc                     refill                    receive
//!   free ────────────► held ◄──┐   free ──────► fill (kernel) ──────────► rx ──► held
//!    ▲                  │      │                                  (chain not yet whole)
//!    │ complete         │ send │ Refused
//!    └──── tx (kernel) ◄┴──────┘          free ◄── release / sent by the packet socket ── held
//! ```
//!
//! - [`frame`]: the move-only token for one frame
//! - [`pool`]: the frames of a worker, and several workers' pools over the same frames
//! - [`table`]: the owner of each frame; [`memory`]: the bytes of the frames
//! - [`packet`]: chains of frames, and the program's description of them
//! - [`umem`]: the one UMEM of the process, and the anchor that keeps it shareable
//! - [`port`]: the trait, its answers and its numbers
//! - [`chain`]: assembles receive descriptors into packets
//! - [`cut`]: cuts superframes, into smaller ones for a contended link, or into frames
//! - [`egress`]: the way by which a packet leaves
//! - [`xsk`]: the port over AF_XDP; [`vnet`]: its packet socket for chains and superframes
//! - [`mem_port`]: the kernel-free twin, with faults
//! - [`reason`]: the outcomes that the program counts, as reasons of loss
//! - [`cells`]: memory shared with the XDP program; [`addresses`]: the gate's address table in it
//! - [`probe`], [`ethtool`], [`sys`]: requests to the kernel; [`links`]: programs that outlive weir
#![allow(unsafe_code)]

pub mod addresses;
pub mod cells;
mod chain;
mod cut;
mod egress;
pub mod ethtool;
pub mod fence;
pub mod frame;
pub mod links;
pub mod mem_port;
mod memory;
pub mod packet;
pub mod pool;
pub mod port;
pub mod probe;
mod reason;
pub mod sys;
mod table;
pub mod umem;
mod vnet;
pub mod xsk;

pub use addresses::AddressWords;
pub use cells::Cells;
pub use chain::SHARED_RING;
pub use egress::TxFeatures;
pub use fence::FenceSocket;
pub use frame::Frame;
pub use mem_port::{Faults, MemPort, Sent};
pub use packet::{MAX_FRAMES, Packet};
pub use pool::{Census, Pool};
pub use port::{Kick, Port, PortStats, Refused};
pub use reason::reason_of;
pub use sys::{clock_monotonic_ns, clock_realtime_ns};
pub use umem::{UmemError, UmemHandle};
pub use xsk::{BindError, Transmit, XskConfig, XskPort};
