//! Alternatives that are compared with weir: parts of Linux, given the same promises, and other
//! forwarders.
//!
//! - [`htb`]: a class for each sender at a port; [`fifo()`]: one queue for all
//! - [`forwarders`]: XDP redirect, past every queue; a loop between two AF_XDP sockets; other forwarders
//!   in user space, if they are installed
//!
//! Invariant: everything that is set up here goes with its namespace.

pub mod forwarders;
pub mod htb;

use crate::Ns;
use anyhow::Result;

/// weir's default `queue`.
const QUEUE: u32 = 512 << 10;
/// A device's default queue length.
const FRAMES: u32 = 1000;
/// The burst of a token bucket; more than a merged TCP segment.
const BURST: u32 = 65536;

/// Gives a port this rate, and one queue of a thousand full frames: the behaviour of a plain device.
pub fn fifo(ns: &Ns, port: &str, mbit: f64, mtu: u32) -> Result<()> {
    let (rate, limit) = (bit(mbit), (mtu + 14) * FRAMES);
    let tbf = format!("tbf rate {rate} burst {BURST} limit {limit}");
    ns.tc(&format!("qdisc add dev {port} root {tbf}")).map(drop)
}

/// Mb/s as tc reads them without rounding.
fn bit(mbit: f64) -> String {
    format!("{:.0}bit", mbit * 1e6)
}
