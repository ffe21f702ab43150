//! Where the running kernel keeps what the gate reads of a packet, and why it is not known where it is
//! not. Invariant: all that the gate needs, or a reason; a wrong guess would make it read something
//! else as the segment size.

use std::path::Path;

use weir_port::probe::KernelFacts;

pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    #[error(
        "this kernel does not say how it keeps packets: it has no {VMLINUX}; it takes a kernel with \
         CONFIG_DEBUG_INFO_BTF, Linux 6.6 or later"
    )]
    Missing,
    #[error("{VMLINUX} does not tell what the gate reads of a packet: it takes Linux 6.6 or later")]
    Unusable,
}

/// What the running kernel tells of itself. Reads some megabytes: not for every frame.
pub fn facts() -> Result<KernelFacts, BtfError> {
    KernelFacts::read().ok_or_else(|| {
        if Path::new(VMLINUX).exists() { BtfError::Unusable } else { BtfError::Missing }
    })
}

#[cfg(test)]
mod tests;
