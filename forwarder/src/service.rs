//! A forwarder's life: from its plan to its end, and what it is asked meanwhile.
//!
//! - [`forwarder`]: the programs, the workers, and the ports between them
//! - [`run`]: from start to stop
//! - [`api`]: the control socket

pub mod api;
pub mod forwarder;
pub mod run;
