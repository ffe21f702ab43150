//! weir: a data-plane forwarder for virtualization hosts.
//!
//! - [`worker`]: hot; the pinned thread that moves frames
//! - [`host`]: cold; devices, the bridge's mirror, programs, settings, privileges
//! - [`observe`]: cold; measurements, metrics, dumps, captures
//! - [`service`]: cold; a forwarder's life and its control socket
//! - [`cli`]: the operator's commands and their output
//!
//! Architecture invariant: `worker` and `host` name none of the other rooms, `observe` names neither `service`
//! nor `cli`, `service` does not name `cli` (`tests/rooms.rs` looks); tokio never touches a frame.

pub mod cli;
pub mod host;
pub mod observe;
pub mod probe;
pub mod service;
pub mod worker;
