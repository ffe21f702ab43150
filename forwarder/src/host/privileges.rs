//! What the process is allowed to do. Invariant: a missing privilege is named before anything is
//! changed, not discovered half-way by an EPERM.

use std::fmt;

/// What weir needs, by the numbers of linux/capability.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    NetAdmin,
    NetRaw,
    IpcLock,
    SysAdmin,
    Perfmon,
    Bpf,
}

impl Capability {
    fn bit(self) -> u32 {
        match self {
            Self::NetAdmin => 12,
            Self::NetRaw => 13,
            Self::IpcLock => 14,
            Self::SysAdmin => 21,
            Self::Perfmon => 38,
            Self::Bpf => 39,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::IpcLock => "CAP_IPC_LOCK",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }

    /// What does not work without it.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::NetAdmin => "attaching programs and changing interface settings",
            Self::NetRaw => "AF_XDP and packet sockets",
            Self::IpcLock => "locking the frames' memory beyond RLIMIT_MEMLOCK",
            Self::SysAdmin => "a network namespace of weir's own",
            Self::Perfmon => "loading a program that reads kernel structures",
            Self::Bpf => "loading programs and maps",
        }
    }
}

/// The effective capabilities of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privileges {
    effective: u64,
    root: bool,
}

impl Privileges {
    pub fn of_this_process() -> std::io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let root = nix::unistd::geteuid().is_root();
        parse(&status, root).ok_or_else(|| std::io::Error::other("no CapEff in /proc/self/status"))
    }

    pub fn has(&self, capability: Capability) -> bool {
        let sys_admin = self.effective & (1 << Capability::SysAdmin.bit()) != 0;
        match capability {
            // Before these two were split off it, CAP_SYS_ADMIN allowed their operations too.
            Capability::Bpf | Capability::Perfmon if sys_admin => true,
            capability => self.effective & (1 << capability.bit()) != 0,
        }
    }

    /// Without these nothing can be forwarded.
    pub fn missing(&self) -> Vec<Capability> {
        use Capability::{Bpf, IpcLock, NetAdmin, NetRaw, Perfmon, SysAdmin};
        let needed = [NetAdmin, SysAdmin, Bpf, NetRaw, IpcLock, Perfmon];
        needed.into_iter().filter(|capability| !self.has(*capability)).collect()
    }

    pub fn is_root(&self) -> bool {
        self.root
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PrivilegeError {
    pub root: bool,
    pub missing: Vec<Capability>,
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lead = if self.root { "root here lacks" } else { "not root, and lacking" };
        f.write_str(lead)?;
        for (position, capability) in self.missing.iter().enumerate() {
            let separator = if position == 0 { " " } else { ", " };
            write!(f, "{separator}{} ({})", capability.name(), capability.purpose())?;
        }
        f.write_str(if self.root {
            "; give them to the container or unit that runs weir"
        } else {
            "; run weir as root (sudo)"
        })
    }
}

/// Says which capabilities are missing, if any.
pub fn check_privileges() -> Result<(), PrivilegeError> {
    let Ok(privileges) = Privileges::of_this_process() else {
        // Without /proc nobody can tell; what is not allowed will say so itself.
        return Ok(());
    };
    match privileges.missing() {
        missing if missing.is_empty() => Ok(()),
        missing => Err(PrivilegeError { root: privileges.root, missing }),
    }
}

fn parse(status: &str, root: bool) -> Option<Privileges> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    Some(Privileges { effective: u64::from_str_radix(line.trim(), 16).ok()?, root })
}

#[cfg(test)]
mod tests;
