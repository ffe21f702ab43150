//! Why a program cannot be attached, from the kernel's errno to what the operator can do.

use std::io;

use aya::programs::ProgramError;
use aya::programs::xdp::XdpError;
use nix::libc;

use super::occupant::{Occupant, occupant};
use crate::host::netlink::{Netlink, Request};

#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("`{name}` has another XDP program: {occupant}")]
    Occupied { name: String, occupant: Occupant },
    #[error(
        "the driver of `{name}` does not take XDP in native mode ({error}): use mode = \"gate\""
    )]
    NativeRefused { name: String, error: io::Error },
    #[error(
        "`{name}` is served by another weir that runs: stop that one first, or leave it the port"
    )]
    Served { name: String },
    #[error("`{name}` is gone")]
    Gone { name: String },
    #[error(
        "this kernel cannot attach XDP programs by bpf_link, without which a killed weir would \
         leave `{name}` cut off: it takes Linux 5.9 or later"
    )]
    NoLink { name: String },
    #[error(
        "this kernel has no tcx, the hook of the gate, for `{name}`: it takes Linux 6.6 or later"
    )]
    NoTcx { name: String },
    #[error("cannot attach the XDP program to `{name}`: {error}")]
    Kernel { name: String, error: io::Error },
    #[error("cannot attach the program to `{name}`: {error}")]
    Program { name: String, error: ProgramError },
}

/// Removes a program that was attached without a bpf_link.
pub(super) fn take_off(ifindex: u32) {
    const IFLA_XDP_FD: u16 = 1;
    const IFLA_XDP_FLAGS: u16 = 3;
    const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
    let nested = libc::IFLA_XDP | libc::NLA_F_NESTED as u16;
    let request = Request::about_link(libc::RTM_SETLINK, ifindex).nest(nested, |xdp| {
        xdp.attribute(IFLA_XDP_FD, &(-1_i32).to_ne_bytes())
            .number(IFLA_XDP_FLAGS, XDP_FLAGS_DRV_MODE)
    });
    if let Err(error) = Netlink::open().and_then(|mut netlink| netlink.call(&request)) {
        tracing::error!(ifindex, %error, "an XDP program could not be taken off again");
    }
}

/// From errno to what the operator can do.
pub(super) fn refusal(error: ProgramError, ifindex: u32, name: &str) -> AttachError {
    let name = name.to_owned();
    let error = match error {
        ProgramError::SyscallError(call) => call.io_error,
        // The kernel answers EINVAL to a bpf_link that it does not support, and aya then tries without
        // one.
        ProgramError::XdpError(XdpError::NetlinkError(refused)) => match refused.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(refused.to_string()),
        },
        error => return AttachError::Program { name, error },
    };
    match error.raw_os_error() {
        Some(libc::ENODEV) => AttachError::Gone { name },
        // EBUSY: one in the same mode; EEXIST: one in the other mode.
        Some(libc::EBUSY | libc::EEXIST) => match occupant(ifindex, &name) {
            Some(occupant) => AttachError::Occupied { name, occupant },
            None => AttachError::Kernel { name, error },
        },
        // The answers of drivers that have no XDP, or not with this MTU or this many queues.
        Some(
            libc::EOPNOTSUPP
            | libc::EINVAL
            | libc::ERANGE
            | libc::E2BIG
            | libc::ENOSPC
            | libc::ENOMEM,
        ) => AttachError::NativeRefused { name, error },
        _ => AttachError::Kernel { name, error },
    }
}

#[cfg(test)]
mod tests;
