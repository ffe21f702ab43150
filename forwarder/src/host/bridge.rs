//! The control side's knowledge of the Linux bridge that weir's ports are members of.
//!
//! - [`decode`]: parses the kernel's messages about a bridge
//! - [`state`]: the known state of one bridge; applying a message yields changes
//! - [`watch`]: reads a bridge from the kernel and follows it, even when messages are lost
//! - [`foreign`]: rules of the host that the gate would bypass
//! - [`make`]: weir's own bridge, from ports that a file names
//! - [`offload`]: which frames of which ports the gate may decide, and why not the others
//! - [`refresh`]: keeps addresses alive whose frames the bridge no longer sees
//!
//! The model is a switchdev driver: the bridge keeps control and the slow path, and weir takes over the
//! frames whose handling it fully understands.
//!
//! Invariant: the bridge is the authority. This code assumes nothing that the kernel has not reported,
//! and leaves to the bridge whatever it does not understand.

pub mod decode;
pub mod foreign;
pub mod make;
pub mod offload;
pub mod refresh;
pub mod state;
pub mod watch;

#[cfg(test)]
pub(crate) mod testing;
