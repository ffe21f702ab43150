//! Why a program cannot be attached, from the kernel's errno to what the operator can do, and whose XDP
//! program occupies an interface. Invariant: only the operator decides to detach another program.

use std::fmt;
use std::fs;
use std::io;

use aya::programs::xdp::XdpError;
use aya::programs::{ProgramError, loaded_programs};
use nix::libc;

use crate::host::links::read_link_at;
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
    #[error("cannot attach the program to `{name}`: {error:#}")]
    Program { name: String, error: anyhow::Error },
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
        // If the kernel does not support the bpf_link, aya tries without one.
        ProgramError::XdpError(XdpError::NetlinkError(refused)) => match refused.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(refused.to_string()),
        },
        error => return AttachError::Program { name, error: error.into() },
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

/// Another program on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    pub interface: String,
    pub program_id: u32,
    /// As `ip link` spells it: xdpgeneric, xdpdrv or xdpoffload.
    pub mode: &'static str,
    pub program_name: Option<String>,
    /// Processes that hold it, with their names. If it is attached by a bpf_link, it goes when they end.
    pub holders: Vec<(u32, String)>,
}

impl Occupant {
    pub fn is_weir(&self) -> bool {
        is_named(self.program_name.as_deref(), &[weir_abi::maps::PROGRAM])
    }

    /// Identifies the program, without advice.
    pub fn summary(&self) -> String {
        let mut text = format!("id {}", self.program_id);
        if let Some(name) = &self.program_name {
            text += &format!(" `{name}`");
        }
        text += &format!(", attached as {}", self.mode);
        if self.is_weir() {
            text += ", of another weir";
        }
        if !self.holders.is_empty() {
            let holders: Vec<_> =
                self.holders.iter().map(|(pid, name)| format!("{name} ({pid})")).collect();
            text += &format!(", held by {}", holders.join(", "));
        }
        text
    }

    /// The command that removes the program.
    pub fn fix(&self) -> String {
        let off = format!("ip link set dev {} {} off", self.interface, self.mode);
        match self.holders.as_slice() {
            [] => off,
            [(pid, name), ..] => format!("stop {name} (process {pid}), or {off}"),
        }
    }
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.summary(), self.fix())
    }
}

/// Whether the kernel's name of a program, of which it keeps 15 characters, is that of one of these.
pub fn is_named(name: Option<&str>, own: &[&str]) -> bool {
    name.is_some_and(|name| !name.is_empty() && own.iter().any(|own| own.starts_with(name)))
}

/// The program on an interface of this namespace, if there is one.
pub fn occupant(ifindex: u32, interface: &str) -> Option<Occupant> {
    let link = read_link_at(&mut Netlink::open().ok()?, ifindex).ok()??;
    let (program_id, mode) = link.xdp.program()?;
    Some(Occupant {
        interface: interface.to_owned(),
        program_id,
        mode,
        program_name: program_name(program_id),
        holders: holders(program_id),
    })
}

fn program_name(program_id: u32) -> Option<String> {
    let found = loaded_programs().flatten().find(|program| program.id() == program_id)?;
    found.name_as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Processes with a descriptor of the program, or of a link that carries it.
fn holders(program_id: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let mut descriptors = fs::read_dir(process.path().join("fdinfo")).into_iter().flatten();
        let holds = descriptors.any(|descriptor| {
            descriptor
                .and_then(|descriptor| fs::read_to_string(descriptor.path()))
                .is_ok_and(|info| shows_program(&info, program_id))
        });
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            found.push((pid, name.trim().to_owned()));
        }
    }
    found
}

fn shows_program(info: &str, program_id: u32) -> bool {
    info.lines().any(|line| {
        line.strip_prefix("prog_id:").is_some_and(|value| value.trim().parse() == Ok(program_id))
    })
}

#[cfg(test)]
mod tests;
