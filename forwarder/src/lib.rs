//! weir: a data-plane forwarder for virtualization hosts.
//!
//! - [`worker`]: hot; the pinned thread that moves frames
//! - [`host`]: cold; devices, the bridge's mirror, programs, settings, privileges
//! - [`observe`]: cold; measurements, metrics, dumps, captures
//! - [`service`]: cold; a forwarder's life and its control socket
//! - [`cli`]: what the operator types and reads
//!
//! Architecture invariant: `worker` knows nothing of the other rooms, `host` nothing of `observe` and `service`,
//! `observe` nothing of `service`; tokio never touches a frame.

pub mod cli;
pub mod host;
pub mod observe;
pub mod probe;
pub mod service;
pub mod worker;
