//! Releases of weir's containers by reason. Invariant: parts of 1, of the containers of a window.

use std::collections::BTreeMap;

use anyhow::Result;
use weir_api::Containers;

use crate::stage::Stage;

/// Containers by release reason, since weir began; empty if the peer is not weir.
pub(crate) fn read(stage: &Stage) -> Result<BTreeMap<String, u64>> {
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

#[cfg(test)]
mod tests;
