//! The control side's knowledge of the Linux bridge that weir's ports are members of.
//!
//! - [`decode`]: from the kernel's messages to what they say of a bridge
//! - [`state`]: what is known of one bridge; every message is applied to it and yields changes
//! - [`watch`]: reads a bridge from the kernel and follows it, also when messages are lost
//! - [`foreign`]: rules of the host that the gate would pass by
//! - [`make`]: weir's own bridge, from ports that a file names
//! - [`offload`]: which frames of which ports the gate may decide, and why not the others
//! - [`refresh`]: keeps addresses alive that the bridge no longer sees
//!
//! The model is a switchdev driver: the bridge keeps control and the slow path, and weir takes over
//! what it fully understands.
//!
//! Invariant: the bridge is the authority. Nothing in here assumes anything that the kernel has not
//! said, and what is not understood is left to the bridge.

pub mod decode;
pub mod foreign;
pub mod make;
pub mod offload;
pub mod refresh;
pub mod state;
pub mod watch;

#[cfg(test)]
pub(crate) mod testing;
