//! What stands in weir's place to be compared with it: parts of Linux, given the same promises.
//!
//! - [`htb`]: a class for each sender at a port; [`fifo`]: one queue for all
//! - [`redirect`]: XDP redirect, past every queue; [`bare`]: a loop between two AF_XDP sockets
//!
//! Invariant: what is set up here is gone with the namespace it is in.

pub mod bare;
pub mod fifo;
pub mod htb;
pub mod redirect;

/// weir's default `queue`.
const QUEUE: u32 = 512 << 10;

/// Mb/s as tc reads them without rounding.
fn bit(mbit: f64) -> String {
    format!("{:.0}bit", mbit * 1e6)
}
