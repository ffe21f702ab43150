//! The express lane: which frames need no worker, so that the gate may hand them over in the kernel, and
//! how it hands them to each port.
//!
//! Invariants: if a worker would do anything with a frame beyond sending it (hold it back, show it to a
//! capture or a trace), the frame stays out of that lane. The gate enforces the rates of links and
//! sources itself, as long as no frame has to wait for them. It has a path only to a port that was
//! examined since it is served.

use std::collections::{BTreeSet, HashMap};

use weir_abi::door::PER_BYTE_BITS;
use weir_abi::gate_flags::EXPRESS_FROM;
use weir_core::{Lane, Rate, Release};

use super::Forwarder;
use super::roster::Entry;
use crate::host::links::{Changed, ExpressPath, Method};
use weir_api::Express;
use weir_schema::PortPlan;

/// Far beyond any sensible burst, and still safe to add to a time.
const MOST_AHEAD_NS: u64 = 1 << 40;

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

impl Forwarder {
    /// The ports whose path is to be read, by interface index: those whose path may have changed, and
    /// those without a known path.
    pub fn paths_to_read(&self, changed: &Changed) -> BTreeSet<u32> {
        let served = self.roster.active().map(|(_, active)| active.ifindex);
        let known = |ifindex: &u32| self.gate.paths.contains_key(ifindex);
        served.filter(|ifindex| changed.concerns(*ifindex) || !known(ifindex)).collect()
    }

    /// Stores the result of examining these ports.
    pub fn set_paths(&mut self, looked_at: &BTreeSet<u32>, mut found: HashMap<u32, ExpressPath>) {
        for &ifindex in looked_at {
            let new = found.remove(&ifindex);
            if self.gate.paths.get(&ifindex) == new.as_ref()
                || self.roster.active_at(ifindex).is_none()
            {
                continue;
            }
            tracing::debug!(ifindex, path = ?new, "the express path to the port has changed");
            match new {
                Some(path) => self.gate.paths.insert(ifindex, path),
                None => self.gate.paths.remove(&ifindex),
            };
            self.update_gate_port(ifindex);
        }
    }

    /// How the gate can hand frames to a port, and why not in a better way.
    pub(super) fn express(&self, entry: &Entry) -> (Option<Express>, Option<String>) {
        let Some(active) = entry.active.as_ref() else { return (None, None) };
        match self.gate.paths.get(&active.ifindex).map(|path| &path.method) {
            Some(Method::Peer { .. }) => (Some(Express::Peer), None),
            Some(Method::Redirect(why)) => (Some(Express::Redirect), why.clone()),
            None => (None, Some("its interface has not answered yet".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
