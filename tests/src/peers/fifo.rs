//! One queue in front of a link with a rate: the behaviour of a plain device. Invariant: see the module
//! above.

use super::bit;
use crate::Ns;
use anyhow::Result;

/// A device's default queue length.
const FRAMES: u32 = 1000;
/// The burst of a token bucket; more than a merged TCP segment.
const BURST: u32 = 65536;

/// Gives a port this rate, and a queue of a thousand full frames.
pub fn make(ns: &Ns, port: &str, mbit: f64, mtu: u32) -> Result<()> {
    let (rate, limit) = (bit(mbit), (mtu + 14) * FRAMES);
    let tbf = format!("tbf rate {rate} burst {BURST} limit {limit}");
    ns.tc(&format!("qdisc add dev {port} root {tbf}")).map(drop)
}
