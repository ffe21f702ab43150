//! TCP segments that were sent again. Invariant: counted by the kernels of all senders, from their
//! own beginning; read only where TCP is sent.

use anyhow::Result;

use crate::spec::Kind;
use crate::stage::Stage;

/// By all VMs and the uplink host together, so far; `None` where nothing is sent by TCP.
pub(crate) fn read(stage: &Stage) -> Result<Option<u64>> {
    if !stage.scene().traffic.iter().any(|traffic| traffic.kind == Kind::Tcp) {
        return Ok(None);
    }
    let all = stage.bed().guests.iter().chain([&stage.bed().uplink]);
    all.map(|guest| guest.ns.protocol("Tcp", "RetransSegs")).sum::<Result<u64>>().map(Some)
}
