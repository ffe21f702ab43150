//! XDP redirect between the first guest and the uplink host: the way that never leaves the kernel.
//! Invariant: see the module above.

use crate::Bed;
use crate::bed::{GUEST_IF, UPLINK_PORT};
use crate::observer::attach;
use anyhow::Result;
use weir_rig::{Attached, Hook, programs};

/// Redirects as long as the returned value lives.
pub fn make(bed: &Bed) -> Result<Vec<Attached>> {
    whole_checksums_of_both(bed)?;
    let port = bed.guest(0)?.port.as_str();
    [(port, UPLINK_PORT), (UPLINK_PORT, port)]
        .into_iter()
        .map(|(from, to)| {
            let program = programs::redirect(bed.host.ifindex(to)?)?;
            attach(&bed.host, from, program, Hook::Native)
        })
        .collect()
}

/// This path never completes a checksum that the sender leaves to a device, and the receiver would drop
/// the frame.
pub(super) fn whole_checksums_of_both(bed: &Bed) -> Result<()> {
    for end in [bed.guest(0)?, &bed.uplink] {
        end.ns.ethtool(&format!("-K {GUEST_IF} tx off"))?;
    }
    Ok(())
}
