//! The privileges of the process. Invariant: a missing one is reported before anything is changed.

use std::fmt;

use rustix::thread::{CapabilitySet, capabilities};

/// Forwarding needs all of these; each with what fails without it.
const NEEDED: [(CapabilitySet, &str); 6] = [
    (CapabilitySet::NET_ADMIN, "attaching programs and changing interface settings"),
    (CapabilitySet::SYS_ADMIN, "a network namespace of weir's own"),
    (CapabilitySet::BPF, "loading programs and maps"),
    (CapabilitySet::NET_RAW, "AF_XDP and packet sockets"),
    (CapabilitySet::IPC_LOCK, "locking the frames' memory beyond RLIMIT_MEMLOCK"),
    (CapabilitySet::PERFMON, "loading a program that reads kernel structures"),
];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PrivilegeError {
    root: bool,
    missing: CapabilitySet,
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lead = if self.root { "root here lacks" } else { "not root, and lacking" };
        f.write_str(lead)?;
        let mut separator = " ";
        for (capability, purpose) in NEEDED {
            for (name, _) in self.missing.intersection(capability).iter_names() {
                write!(f, "{separator}CAP_{name} ({purpose})")?;
                separator = ", ";
            }
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
    // Where this cannot be determined, a forbidden operation fails with its own error.
    let missing = capabilities(None).map_or(CapabilitySet::empty(), |sets| missing(sets.effective));
    if missing.is_empty() {
        return Ok(());
    }
    Err(PrivilegeError { root: nix::unistd::geteuid().is_root(), missing })
}

/// What a process with these capabilities lacks.
fn missing(mut effective: CapabilitySet) -> CapabilitySet {
    if effective.contains(CapabilitySet::SYS_ADMIN) {
        // It allows what these two do, which were split off it.
        effective |= CapabilitySet::BPF | CapabilitySet::PERFMON;
    }
    NEEDED.iter().map(|(capability, _)| *capability).collect::<CapabilitySet>() - effective
}

#[cfg(test)]
mod tests;
