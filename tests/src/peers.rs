//! Alternatives that are compared with weir: parts of Linux, given the same promises, and other
//! forwarders.
//!
//! - [`htb`]: a class for each sender at a port; [`fifo`]: one queue for all
//! - [`redirect`]: XDP redirect, past every queue; [`bare`]: a loop between two AF_XDP sockets
//! - [`ovs`], [`testpmd`]: other forwarders in user space, if they are installed
//!
//! Invariant: everything that is set up here goes with its namespace.

pub mod bare;
pub mod fifo;
pub mod htb;
pub mod ovs;
pub mod redirect;
pub mod testpmd;

/// weir's default `queue`.
const QUEUE: u32 = 512 << 10;

/// Mb/s as tc reads them without rounding.
fn bit(mbit: f64) -> String {
    format!("{:.0}bit", mbit * 1e6)
}
