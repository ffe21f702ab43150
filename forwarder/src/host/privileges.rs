//! The privileges of the process. Invariant: a missing privilege is reported before anything is
//! changed, not discovered half-way by an EPERM.

use std::fmt;

/// A capability: its number in linux/capability.h, its name, and what fails without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    bit: u32,
    pub name: &'static str,
    pub purpose: &'static str,
}

const fn capability(bit: u32, name: &'static str, purpose: &'static str) -> Capability {
    Capability { bit, name, purpose }
}

const SYS_ADMIN: Capability = capability(21, "CAP_SYS_ADMIN", "a network namespace of weir's own");
const PERFMON: Capability =
    capability(38, "CAP_PERFMON", "loading a program that reads kernel structures");
const BPF: Capability = capability(39, "CAP_BPF", "loading programs and maps");
/// Forwarding needs all of these.
const NEEDED: [Capability; 6] = [
    capability(12, "CAP_NET_ADMIN", "attaching programs and changing interface settings"),
    SYS_ADMIN,
    BPF,
    capability(13, "CAP_NET_RAW", "AF_XDP and packet sockets"),
    capability(14, "CAP_IPC_LOCK", "locking the frames' memory beyond RLIMIT_MEMLOCK"),
    PERFMON,
];

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
            write!(f, "{separator}{} ({})", capability.name, capability.purpose)?;
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
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // Without /proc this cannot be determined; a forbidden operation will fail with its own error.
    let missing = missing(&status).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    Err(PrivilegeError { root: nix::unistd::geteuid().is_root(), missing })
}

/// What a process with this status lacks; `None` if the status does not tell.
fn missing(status: &str) -> Option<Vec<Capability>> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(line.trim(), 16).ok()?;
    let has = |capability: Capability| effective & (1 << capability.bit) != 0;
    // CAP_SYS_ADMIN allowed these operations before the two were split off it.
    let may = |capability: &Capability| {
        has(*capability) || [BPF, PERFMON].contains(capability) && has(SYS_ADMIN)
    };
    Some(NEEDED.into_iter().filter(|capability| !may(capability)).collect())
}

#[cfg(test)]
mod tests;
