//! Queries which XDP program is attached to a device, and the device's capabilities. Invariant: read-only. A
//! device or kernel that does not report something gives an error or an empty answer.

use std::io;

use libbpf_sys::{bpf_xdp_query, bpf_xdp_query_opts};

use crate::sys::checked;

/// `NETDEV_XDP_ACT_*` of `linux/netdev.h`.
mod act {
    pub(super) const BASIC: u64 = 1;
    pub(super) const REDIRECT: u64 = 2;
    pub(super) const RX_SG: u64 = 32;
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttachedMode {
    #[default]
    None,
    Native,
    Skb,
    Hardware,
    /// Several programs at once.
    Multiple,
}

/// The kernel's answer about one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpFeatures {
    /// Identifier of the attached program; 0: none, or several.
    pub prog_id: u32,
    pub mode: AttachedMode,
    /// `NETDEV_XDP_ACT_*`; 0: the driver has no native XDP, or the kernel does not report it (before 6.3).
    pub features: u64,
}

impl XdpFeatures {
    /// Whether the driver runs programs itself, with redirect.
    pub const fn native(&self) -> bool {
        self.features & (act::BASIC | act::REDIRECT) == act::BASIC | act::REDIRECT
    }
    /// Whether it hands over frames in several buffers.
    pub const fn multi_buffer(&self) -> bool {
        self.features & act::RX_SG != 0
    }
    /// Whether a program is attached.
    pub const fn attached(&self) -> bool {
        !matches!(self.mode, AttachedMode::None)
    }
}

/// Asks the kernel about a device of the current network namespace.
pub fn xdp_query(ifindex: u32) -> io::Result<XdpFeatures> {
    let mut opts =
        bpf_xdp_query_opts { sz: size_of::<bpf_xdp_query_opts>() as _, ..Default::default() };
    let index = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `opts` lives through the call and contains its own size.
    checked(unsafe { bpf_xdp_query(index, 0, &raw mut opts) })?;
    let mode = match u32::from(opts.attach_mode) {
        libbpf_sys::XDP_ATTACHED_NONE => AttachedMode::None,
        libbpf_sys::XDP_ATTACHED_DRV => AttachedMode::Native,
        libbpf_sys::XDP_ATTACHED_SKB => AttachedMode::Skb,
        libbpf_sys::XDP_ATTACHED_HW => AttachedMode::Hardware,
        _ => AttachedMode::Multiple,
    };
    Ok(XdpFeatures { prog_id: opts.prog_id, mode, features: opts.feature_flags })
}

#[cfg(test)]
mod tests;
