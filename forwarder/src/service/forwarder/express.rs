//! Which frames need no worker: for them the gate may use the express lane, in the kernel.
//!
//! Invariant: whatever a worker would do with a frame beyond sending it (hold it back, show it to a capture
//! or a trace) keeps the frame out of that lane. The rates of links and sources the gate keeps itself, as
//! long as nothing has to wait for them.

use weir_abi::door::PER_BYTE_BITS;
use weir_abi::gate_flags::EXPRESS_FROM;
use weir_core::Rate;

use weir_core::{Lane, Release};
use weir_schema::PortPlan;

/// The gate's flag for a port as a source. `release` is the one in force for
/// the port; `watched`: a capture or a trace is on.
pub(super) fn flags(plan: &PortPlan, release: Release, watched: bool) -> u32 {
    let from = plan.lane == Lane::Auto && release == Release::Eager && !watched;
    if from { EXPRESS_FROM } else { 0 }
}

/// What a byte takes on a link, as the gate is told it; 0: it has no rate.
pub(super) fn per_byte(rate: Option<Rate>) -> u64 {
    /// Beyond it a frame takes longer than anybody waits, and a product of it would not fit.
    const MOST: u128 = 1 << 40;
    let fine = 8_000_000_000_u128 << PER_BYTE_BITS;
    let of = |rate: Rate| fine.div_ceil(u128::from(rate.bits_per_s.max(1))).min(MOST) as u64;
    rate.map_or(0, of)
}

/// How far ahead of its own rate a source may be, which is its burst.
pub(super) fn ahead_ns(per_byte: u64, burst_bytes: u64) -> u64 {
    // A packet of any size goes, as it does by a worker: two of them are ahead there.
    const LEAST: u64 = 2 * 1514;
    let fine = u128::from(burst_bytes.max(LEAST)) * u128::from(per_byte);
    u64::try_from(fine >> PER_BYTE_BITS).unwrap_or(u64::MAX).min(MOST_AHEAD_NS)
}

/// Far beyond any burst that makes sense, and no trouble to add to a time.
const MOST_AHEAD_NS: u64 = 1 << 40;

#[cfg(test)]
mod tests;
