//! Readings at the ends of windows. Invariant: reading does not disturb the measurement.
//!
//! - [`rates`]: arrivals by sender; [`cpu`]: processor time
//! - [`events`]: system calls, switches, wake-ups and hardware counters of the forwarder
//! - [`releases`] of weir's containers by reason; [`resent`] segments of TCP

pub(crate) mod cpu;
pub(crate) mod events;
pub(crate) mod rates;

use std::collections::BTreeMap;

use anyhow::Result;
use weir_api::Containers;

use crate::spec::Kind;
use crate::stage::Stage;

/// Containers by release reason, since weir began; empty if the peer is not weir.
pub(crate) fn releases(stage: &Stage) -> Result<BTreeMap<String, u64>> {
    let Some(weir) = stage.weir() else { return Ok(BTreeMap::new()) };
    Ok(sum(weir.stats()?.ports.iter().map(|port| &port.containers)))
}

/// The sum over all ports; a reason that never occurred is absent.
fn sum<'c>(ports: impl IntoIterator<Item = &'c Containers>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (reason, count) in ports.into_iter().flat_map(|port| &port.released) {
        *sums.entry(reason.clone()).or_default() += count;
    }
    sums
}

/// TCP segments that the kernels of all VMs and of the uplink host have sent again so far; `None`
/// without TCP.
pub(crate) fn resent(stage: &Stage) -> Result<Option<u64>> {
    if !stage.scene().traffic.iter().any(|traffic| traffic.kind == Kind::Tcp) {
        return Ok(None);
    }
    let all = stage.bed().guests.iter().chain([&stage.bed().uplink]);
    all.map(|guest| guest.ns.protocol("Tcp", "RetransSegs")).sum::<Result<u64>>().map(Some)
}

#[cfg(test)]
mod tests;
