//! Which frames need no worker: for them the gate may use the express lane, in the kernel.
//!
//! Invariant: if a worker would do anything with a frame beyond sending it (hold it back, show it to a
//! capture or a trace), the frame stays out of that lane. The gate enforces the rates of links and
//! sources itself, as long as no frame has to wait for them.

use weir_abi::door::PER_BYTE_BITS;
use weir_abi::gate_flags::EXPRESS_FROM;
use weir_core::{Lane, Rate, Release};
use weir_schema::PortPlan;

/// The gate's flag for a port as a source. `release` is the port's release policy; `watched`: a capture
/// or a trace is on.
pub(super) fn flags(plan: &PortPlan, release: Release, watched: bool) -> u32 {
    let from = plan.lane == Lane::Auto && release == Release::Eager && !watched;
    if from { EXPRESS_FROM } else { 0 }
}

/// The time that a byte takes on a link, in the gate's unit; 0: no rate.
pub(super) fn per_byte(rate: Option<Rate>) -> u64 {
    /// Above this bound, a frame would take longer than any wait, and a product would overflow.
    const MOST: u128 = 1 << 40;
    let fine = 8_000_000_000_u128 << PER_BYTE_BITS;
    let of = |rate: Rate| fine.div_ceil(u128::from(rate.bits_per_s.max(1))).min(MOST) as u64;
    rate.map_or(0, of)
}

/// How far a source may be ahead of its own rate: its burst.
pub(super) fn ahead_ns(per_byte: u64, burst_bytes: u64) -> u64 {
    // A packet of any size may go, as it does at a worker, where two packets may be ahead.
    const LEAST: u64 = 2 * 1514;
    let fine = u128::from(burst_bytes.max(LEAST)) * u128::from(per_byte);
    u64::try_from(fine >> PER_BYTE_BITS).unwrap_or(u64::MAX).min(MOST_AHEAD_NS)
}

/// Far beyond any sensible burst, and still safe to add to a time.
const MOST_AHEAD_NS: u64 = 1 << 40;

#[cfg(test)]
mod tests;
