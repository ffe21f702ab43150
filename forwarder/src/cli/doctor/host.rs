//! Checks the requirements on the host as a whole: kernel, privileges, BPF, tcx, AF_XDP.

use std::fs;
use std::thread;

use aya::programs::tc::TcAttachType;
use aya::programs::{ProgramError, SchedClassifier};
use aya::util::KernelVersion;
use nix::libc;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};

use weir_abi::table::Seed;

use super::finding::{Level, Report};
use crate::host::attach::{AttachError, Steering, kernel_facts};
use crate::host::privileges::check_privileges;

const RELEASE: &str = "/proc/sys/kernel/osrelease";
const LOOPBACK: u32 = 1;
const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";

pub(super) fn examine(report: &mut Report) {
    report.section("host");
    kernel(report);
    let privileged = report.check("privileges", &check_privileges(), "all that is needed");
    let facts = kernel_facts();
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

#[cfg(test)]
mod tests;
