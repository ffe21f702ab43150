//! Checks the host as a whole: the kernel, privileges, BPF, tcx and AF_XDP, and what an earlier weir has
//! left: its control socket, its gates, the record of settings to restore.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::{fs, io, thread};

use aya::programs::tc::TcAttachType;
use aya::programs::{ProgramError, SchedClassifier};
use aya::util::KernelVersion;
use nix::libc;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};

use weir_abi::table::Seed;
use weir_port::probe::KernelFacts;

use super::finding::{Level, Report};
use crate::cli::detach;
use crate::host::attach::{AttachError, Steering};
use crate::host::leftovers::gate_owners;
use crate::host::links::Snapshot;
use crate::host::privileges::check_privileges;
use crate::host::state::StateFile;

const RELEASE: &str = "/proc/sys/kernel/osrelease";
const LOOPBACK: u32 = 1;
const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";

pub(super) fn examine(report: &mut Report) {
    report.section("host");
    kernel(report);
    let privileged = report.check("privileges", &check_privileges(), "all that is needed");
    let facts = KernelFacts::read();
    report.check("btf", &facts, "tells how the kernel keeps packets");
    if let (Ok(facts), true) = (facts, privileged) {
        // The programs are loaded but not attached, so any device will do as the pair.
        let loaded = Steering::load(&facts, LOOPBACK, Seed { xor: 0, multiply: 1 });
        report.check("programs", &loaded, "all of them load");
    }
    if privileged {
        tcx(report);
    }
    af_xdp(report);
    jit(fs::read_to_string(JIT).ok().as_deref(), report);
    cores(report);
}

/// Features that arrived with a kernel release, and what weir lacks without each.
const MILESTONES: [(KernelVersion, Level, &str); 2] = [
    (KernelVersion::new(6, 6, 0), Level::Fail, "there is no tcx, the hook of the gate, before 6.6"),
    (
        KernelVersion::new(6, 17, 0),
        Level::Note,
        "a transmit kick sends at most 32 frames before 6.17",
    ),
];

fn kernel(report: &mut Report) {
    let release = fs::read_to_string(RELEASE).unwrap_or_default().trim().to_owned();
    match KernelVersion::current() {
        Ok(version) => judge_kernel(&release, version, report),
        Err(_) => report.add(Level::Note, "kernel", format!("Linux {release}, of unknown age")),
    }
}

fn judge_kernel(release: &str, version: KernelVersion, report: &mut Report) {
    let lacking: Vec<_> = MILESTONES.iter().filter(|(since, ..)| version < *since).collect();
    let level = lacking.iter().map(|(_, level, _)| *level).max().unwrap_or(Level::Ok);
    let reasons: Vec<&str> = lacking.iter().map(|(.., reason)| *reason).collect();
    let separator = if reasons.is_empty() { "" } else { ": " };
    report.add(level, "kernel", format!("Linux {release}{separator}{}", reasons.join("; ")));
}

/// Querying the hook shows whether the kernel has it.
fn tcx(report: &mut Report) {
    let asked = SchedClassifier::query_tcx("lo", TcAttachType::Ingress);
    let lacks = |error: &ProgramError| {
        matches!(error, ProgramError::SyscallError(call)
            if call.io_error.raw_os_error() == Some(libc::EINVAL))
    };
    match asked {
        Ok(_) => report.add(Level::Ok, "tcx", "there, the hook of the gate"),
        Err(error) if lacks(&error) => {
            let none = AttachError::NoTcx { name: "lo".to_owned() };
            report.add(Level::Fail, "tcx", none.to_string());
        }
        Err(error) => report.add(Level::Note, "tcx", format!("cannot be asked for: {error}")),
    }
}

fn af_xdp(report: &mut Report) {
    match socket(AddressFamily::XDP, SocketType::RAW, None) {
        Ok(_) => report.add(Level::Ok, "af_xdp", "sockets can be made"),
        Err(Errno::AFNOSUPPORT) => {
            let text = "this kernel has no AF_XDP sockets";
            report.with_fix(Level::Fail, "af_xdp", text, "use a kernel with CONFIG_XDP_SOCKETS=y");
        }
        Err(error) => report.add(Level::Fail, "af_xdp", format!("no sockets: {error}")),
    }
}

fn jit(value: Option<&str>, report: &mut Report) {
    match value.map(str::trim) {
        Some("0") => report.with_fix(
            Level::Warn,
            "jit",
            "BPF programs are interpreted, which makes every frame slow",
            "sysctl -w net.core.bpf_jit_enable=1",
        ),
        Some(_) => report.add(Level::Ok, "jit", "BPF programs are compiled"),
        None => report.add(Level::Note, "jit", format!("{JIT} is not shown here")),
    }
}

fn cores(report: &mut Report) {
    match thread::available_parallelism().map_or(1, usize::from) {
        1 => report.add(Level::Note, "cores", "only one: the worker shares it with all senders"),
        cores => report.add(Level::Ok, "cores", format!("{cores}")),
    }
}

/// Whether a weir runs on this control socket.
pub(super) fn leftovers(control: &Path, report: &mut Report) -> bool {
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
    let gate_owners = match gate_owners() {
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
