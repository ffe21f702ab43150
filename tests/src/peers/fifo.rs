//! One queue in front of a link of a rate: what a plain device does. Invariant: see the module above.

use super::bit;
use crate::Ns;
use anyhow::Result;

/// As long as a device's queue is by default.
const FRAMES: u32 = 1000;
/// What a token bucket may let go at once; more than a merged TCP segment.
const BURST: u32 = 65536;

/// Gives a port this rate, and a queue of a thousand full frames.
pub fn make(ns: &Ns, port: &str, mbit: f64, mtu: u32) -> Result<()> {
    let (rate, limit) = (bit(mbit), (mtu + 14) * FRAMES);
    let tbf = format!("tbf rate {rate} burst {BURST} limit {limit}");
    ns.tc(&format!("qdisc add dev {port} root {tbf}")).map(drop)
}
