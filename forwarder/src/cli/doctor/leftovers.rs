//! Leftovers of an earlier weir: its control socket, and the record of settings to restore.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::finding::{Level, Report};
use crate::cli::detach;
use crate::host::leftovers;
use crate::host::links::Snapshot;
use crate::host::state::StateFile;

/// Whether a weir runs on this control socket.
pub(super) fn examine(control: &Path, report: &mut Report) -> bool {
    let shown = control.display();
    let connected = UnixStream::connect(control);
    match &connected {
        Ok(_) => report.add(Level::Ok, "weir", format!("one is running, at {shown}")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => report.with_fix(
            Level::Note,
            "weir",
            format!("none is running; {shown} is what a killed one left"),
            "weir run replaces it",
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report.add(Level::Ok, "weir", "none is running, so nothing is in a new one's way");
        }
        Err(error) => report.add(Level::Warn, "weir", format!("{shown} cannot be asked: {error}")),
    }
    let alive = connected.is_ok();
    let changes = match StateFile::open(control) {
        Ok(state) => state.changes().len(),
        Err(error) => {
            report.add(Level::Fail, "settings", error.to_string());
            0
        }
    };
    let file = StateFile::path_for(control);
    match changes {
        0 => {}
        count if alive => {
            let text = format!("{count} changed; put back when weir ends");
            report.add(Level::Ok, "settings", text);
        }
        count => report.with_fix(
            Level::Warn,
            "settings",
            format!("{count} were left changed by an earlier weir ({})", file.display()),
            format!("the next weir run --control {shown} puts them back when it starts"),
        ),
    }
    alive
}

/// Which weirs keep gates in this network namespace; returns whether there are any.
pub(super) fn gates(links: &Snapshot, report: &mut Report) -> bool {
    let gate_owners = match leftovers::gate_owners() {
        Ok(gate_owners) => gate_owners,
        Err(error) => {
            report.add(Level::Note, "gates", format!("not looked for: {error}"));
            return false;
        }
    };
    let all: Vec<u32> = gate_owners.iter().flat_map(|owner| owner.gates.iter().copied()).collect();
    let dead = gate_owners.iter().filter(|owner| !owner.is_running);
    let left: Vec<String> =
        dead.flat_map(|owner| &owner.gates).map(|at| detach::name(*at, links)).collect();
    if !left.is_empty() {
        report.with_fix(
            Level::Note,
            "gates",
            format!("a weir that was killed has left its gates on {}", left.join(", ")),
            "weir run adopts them; weir detach takes them off",
        );
    }
    !all.is_empty()
}

#[cfg(test)]
mod tests;
