//! Retransmitted TCP segments. Invariant: the kernels of all senders count them, from their own
//! beginning; read only if TCP is sent.

use anyhow::Result;

use crate::spec::Kind;
use crate::stage::Stage;

/// The number for all VMs and the uplink host together, so far; `None` without TCP.
pub(crate) fn read(stage: &Stage) -> Result<Option<u64>> {
    if !stage.scene().traffic.iter().any(|traffic| traffic.kind == Kind::Tcp) {
        return Ok(None);
    }
    let all = stage.bed().guests.iter().chain([&stage.bed().uplink]);
    all.map(|guest| guest.ns.protocol("Tcp", "RetransSegs")).sum::<Result<u64>>().map(Some)
}
