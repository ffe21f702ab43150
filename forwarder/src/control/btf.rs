//! Where the running kernel keeps what the XDP program reads of a superframe, and why it is not
//! known where it is not. Invariant: offsets are all known and usable, or all zero with a reason;
//! a wrong guess would make the program read something else as the segment size.

use std::path::Path;

use weir_port::probe::KernelFacts;

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

/// What the running kernel tells of itself. Reads some megabytes: not for every frame.
pub fn facts() -> Result<KernelFacts, BtfError> {
    let facts = KernelFacts::read();
    if facts.offsets.usable() {
        Ok(facts)
    } else if Path::new(VMLINUX).exists() {
        Err(BtfError::Unusable)
    } else {
        Err(BtfError::Missing)
    }
}

/// As [`facts`], with nothing in them when they cannot be had, which is logged.
pub fn facts_or_none() -> KernelFacts {
    facts().unwrap_or_else(|error| {
        tracing::warn!(%error, "superframes cannot be told from long frames; turn TSO off in guests");
        KernelFacts::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_running_kernel() {
        if !Path::new(VMLINUX).exists() {
            assert_eq!(facts(), Err(BtfError::Missing));
            eprintln!("SKIPPED: this kernel has no {VMLINUX}");
            return;
        }
        let offsets = facts().unwrap().offsets;
        // These two have not moved since the fields exist (5.8).
        assert_eq!((offsets.hard_start, offsets.frame_sz), (24, 48));
        assert_eq!(offsets.shinfo_len % 64, 0);
        assert!(offsets.gso_size < offsets.gso_type, "{offsets:?}");
    }
}
