//! Where the running kernel keeps what the XDP program reads of a superframe, and why it is not
//! known where it is not. Invariant: offsets are all known and usable, or all zero with a reason;
//! a wrong guess would make the program read something else as the segment size.

use std::path::Path;

use weir_abi::GsoOffsets;

pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    #[error("this kernel has no {VMLINUX}: it was built without CONFIG_DEBUG_INFO_BTF")]
    Missing,
    #[error(
        "{VMLINUX} does not tell where xdp_buff and skb_shared_info keep what the XDP program \
         reads, or they lie out of its reach"
    )]
    Unusable,
}

/// The offsets of the running kernel. Reads some megabytes: not for every frame.
pub fn gso_offsets() -> Result<GsoOffsets, BtfError> {
    let offsets = weir_port::probe::gso_offsets();
    if offsets.usable() {
        Ok(offsets)
    } else if Path::new(VMLINUX).exists() {
        Err(BtfError::Unusable)
    } else {
        Err(BtfError::Missing)
    }
}

/// As [`gso_offsets`], all zero when they cannot be had, which is logged.
pub fn gso_offsets_or_none() -> GsoOffsets {
    gso_offsets().unwrap_or_else(|error| {
        tracing::warn!(%error, "superframes cannot be told from long frames; turn TSO off in guests");
        GsoOffsets::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_running_kernel() {
        if !Path::new(VMLINUX).exists() {
            assert_eq!(gso_offsets(), Err(BtfError::Missing));
            eprintln!("SKIPPED: this kernel has no {VMLINUX}");
            return;
        }
        let offsets = gso_offsets().unwrap();
        // These two have not moved since the fields exist (5.8).
        assert_eq!((offsets.hard_start, offsets.frame_sz), (24, 48));
        assert_eq!(offsets.shinfo_len % 64, 0);
        assert!(offsets.gso_size < offsets.gso_type, "{offsets:?}");
    }
}
