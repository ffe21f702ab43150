//! The offsets of the packet fields that the gate reads in the running kernel. Invariant: all of them, or
//! the reason why not; a wrong guess would make it read another field as the segment size.

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

/// Reads the running kernel's BTF, which is some megabytes: not for every frame.
pub fn facts() -> Result<KernelFacts, BtfError> {
    KernelFacts::read().ok_or_else(|| {
        if Path::new(VMLINUX).exists() { BtfError::Unusable } else { BtfError::Missing }
    })
}

#[cfg(test)]
mod tests;
