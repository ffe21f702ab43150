//! Queries which XDP program is attached to a device, and the device's capabilities. Invariant: read-only. A
//! device that does not report something gives an error or an empty answer.

use std::io;

use libbpf_sys::{bpf_xdp_query, bpf_xdp_query_opts};

use crate::sys::checked;

// `NETDEV_XDP_ACT_*` of `linux/netdev.h`.
const BASIC: u64 = 1;
const REDIRECT: u64 = 2;
const RX_SG: u64 = 32;

/// The kernel's answer about one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpFeatures {
    /// Identifier of the attached program; 0: none, or several.
    pub prog_id: u32,
    /// `NETDEV_XDP_ACT_*`; 0: the driver has no native XDP.
    pub features: u64,
}

impl XdpFeatures {
    /// Whether the driver runs programs itself, with redirect.
    pub const fn native(&self) -> bool {
        self.features & (BASIC | REDIRECT) == BASIC | REDIRECT
    }
    /// Whether it hands over frames in several buffers.
    pub const fn multi_buffer(&self) -> bool {
        self.features & RX_SG != 0
    }
}

/// Asks the kernel about a device of the current network namespace.
pub fn xdp_query(ifindex: u32) -> io::Result<XdpFeatures> {
    let mut opts =
        bpf_xdp_query_opts { sz: size_of::<bpf_xdp_query_opts>() as _, ..Default::default() };
    let index = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `opts` lives through the call and contains its own size.
    checked(unsafe { bpf_xdp_query(index, 0, &raw mut opts) })?;
    Ok(XdpFeatures { prog_id: opts.prog_id, features: opts.feature_flags })
}

#[cfg(test)]
mod tests;
