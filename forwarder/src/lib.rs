//! weir: a data-plane forwarder for virtualization hosts.
//!
//! - [`worker`]: hot; the pinned thread that moves frames
//! - [`control`]: cold; configuration, attaching, links, settings, API
//! - [`cli`]: what the operator types and reads
//!
//! Architecture invariant: `worker` knows nothing of `control`; tokio never touches a frame.

pub mod cli;
pub mod control;
pub mod probe;
pub mod worker;
