//! A forwarder's life, from its plan to its end, and its answers to requests.
//!
//! - [`forwarder`]: the programs, the workers, and the ports between them
//! - [`run`]: from start to stop
//! - [`api`]: the control socket

pub mod api;
pub mod forwarder;
pub mod run;
