//! A network namespace by name: commands and closures run in it, its counters and settings.
//!
//! Invariant: a namespace is removed when its handle drops, and its name identifies its process, so
//! that namespaces of a process that died without dropping them are found and removed.

use crate::{cpu, kept};
use anyhow::{Context, Result, anyhow, bail};
use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::net::{DeviceStatus, TcpNetEntry, TcpState};
use procfs::process::Process;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `ip netns` keeps its handles.
const FOLDER: &str = "/run/netns";
const PREFIX: &str = "wt";

/// A network namespace; removed on drop.
#[derive(Debug)]
pub struct Ns {
    name: String,
}

impl Ns {
    /// Makes `wt<pid>x<bed>-<role>`, unique among living processes, and brings its loopback up.
    pub fn create(bed: u32, role: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}x{bed}-{role}", std::process::id());
        ip(&format!("netns add {name}"))?;
        let ns = Self { name };
        ns.ip("link set lo up")?;
        Ok(ns)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(FOLDER).join(&self.name)
    }

    /// Runs `f` on a thread of its own inside the namespace; sockets it opens stay there.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        inside(&self.path(), f)
    }

    /// Puts the calling thread into the namespace for good: for a thread that does nothing else.
    pub fn enter(path: &Path) -> Result<()> {
        let handle =
            File::open(path).with_context(|| format!("no namespace {}", path.display()))?;
        setns(handle, CloneFlags::CLONE_NEWNET).context("setns")
    }

    /// A command for `program` inside; its pid is the program's own, since `ip` execs it.
    pub fn cmd(&self, program: &str) -> Command {
        cmd_in(&self.name, program)
    }

    /// `ip -n NAME WORDS…`, split at blanks.
    pub fn ip(&self, words: &str) -> Result<String> {
        ip(&format!("-n {} {words}", self.name))
    }

    /// Many lines of `ip` as one batch.
    pub fn ip_batch(&self, lines: &[String]) -> Result<()> {
        let file = tempfile::NamedTempFile::new().context("a batch file")?;
        let text = lines.join("\n");
        fs::write(file.path(), &text)?;
        output(Command::new("ip").args(["-n", &self.name, "-batch"]).arg(file.path()))
            .with_context(|| format!("in the batch\n{text}"))
            .map(drop)
    }

    /// `bridge WORDS…`, inside.
    pub fn bridge(&self, words: &str) -> Result<String> {
        output(Command::new("bridge").args(["-n", &self.name]).args(words.split_whitespace()))
    }

    /// `tc WORDS…`, inside.
    pub fn tc(&self, words: &str) -> Result<String> {
        output(Command::new("tc").args(["-n", &self.name]).args(words.split_whitespace()))
    }

    /// `ethtool WORDS…`, inside.
    pub fn ethtool(&self, words: &str) -> Result<String> {
        output(self.cmd("ethtool").args(words.split_whitespace()))
    }

    /// Writes a setting below /proc/sys/net.
    pub fn sysctl(&self, path: &str, value: &str) -> Result<()> {
        self.run(|| {
            let file = format!("/proc/sys/net/{path}");
            fs::write(&file, value).with_context(|| format!("cannot write {file}"))
        })
    }

    /// One interface as `ip -j -d link show` shows it; an error if it does not exist.
    pub fn link(&self, interface: &str) -> Result<Value> {
        let text = self.ip(&format!("-j -d link show dev {interface}"))?;
        let links: Value = serde_json::from_str(&text).context("ip -j")?;
        Ok(links.get(0).cloned().unwrap_or(Value::Null))
    }

    /// The programs at an interface's tcx ingress hook.
    pub fn tcx_programs(&self, interface: &str) -> Result<Vec<u32>> {
        self.run(|| {
            let (_, programs) = SchedClassifier::query_tcx(interface, TcAttachType::Ingress)?;
            Ok(programs.iter().map(ProgramInfo::id).collect())
        })
    }

    /// Whether a program is attached to an interface, at tcx or as XDP.
    pub fn is_attached(&self, interface: &str) -> Result<bool> {
        let xdp = &self.link(interface)?["xdp"];
        Ok(!xdp.is_null() || !self.tcx_programs(interface)?.is_empty())
    }

    pub fn ifindex(&self, interface: &str) -> Result<u32> {
        self.run(|| if_nametoindex(interface).with_context(|| format!("no {interface}")))
    }

    /// A counter of the protocols, such as `Udp` `RcvbufErrors` or `TcpExt` `TCPOFOQueue`.
    pub fn protocol(&self, group: &str, name: &str) -> Result<u64> {
        let text = self.run(|| {
            let read = |file| fs::read_to_string(format!("/proc/thread-self/net/{file}"));
            Ok(read("snmp")? + &read("netstat")?)
        })?;
        let rest = |line| str::strip_prefix(line, group)?.strip_prefix(':');
        let mut lines = text.lines().filter_map(rest);
        let both = lines.next().zip(lines.next()).with_context(|| format!("no {group}"))?;
        let mut pairs = both.0.split_whitespace().zip(both.1.split_whitespace());
        let (_, value) = pairs.find(|(of, _)| *of == name).with_context(|| format!("no {name}"))?;
        Ok(value.parse()?)
    }

    /// All interfaces' counters at one instant.
    pub fn counters(&self) -> Result<HashMap<String, DeviceStatus>> {
        self.run(|| Ok(own_thread()?.dev_status()?))
    }

    pub fn counter(&self, interface: &str) -> Result<DeviceStatus> {
        let mut all = self.counters()?;
        all.remove(interface).with_context(|| format!("no {interface} in {}", self.name))
    }

    /// Whether a TCP socket listens on this port.
    pub fn listens(&self, port: u16) -> Result<bool> {
        let all = self.run(|| {
            let thread = own_thread()?;
            Ok([thread.tcp()?, thread.tcp6()?].concat())
        })?;
        let is_it = |one: &TcpNetEntry| one.local_address.port() == port;
        Ok(all.iter().any(|one| is_it(one) && one.state == TcpState::Listen))
    }
}

impl Drop for Ns {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

pub(crate) fn inside<T: Send>(path: &Path, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            Ns::enter(path)?;
            f()
        });
        thread.join().map_err(|_| anyhow!("a closure in {} panicked", path.display()))?
    })
}

/// The calling thread in /proc, whose own files show the main thread's namespace.
fn own_thread() -> Result<Process> {
    Ok(Process::new_with_root(format!("/proc/self/task/{}", cpu::this_thread()).into())?)
}

/// Ends every process in `name` and removes it.
fn remove(name: &str) {
    // Processes keep a namespace alive after its name is gone.
    kill_inside(name);
    kept::remove(&PathBuf::from(FOLDER).join(name));
    let _ = ip(&format!("netns del {name}"));
}

/// Ends every process in `name`.
pub(crate) fn kill_inside(name: &str) {
    let Ok(pids) = ip(&format!("netns pids {name}")) else { return };
    for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// The namespaces of all beds, with their processes' numbers.
fn all() -> impl Iterator<Item = (u32, String)> {
    fs::read_dir(FOLDER).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let pid = name.strip_prefix(PREFIX)?.split_once('x')?.0.parse().ok()?;
        Some((pid, name))
    })
}

/// Removes every namespace this process made: for a signal handler's thread, before it exits.
pub fn remove_own() {
    let own: Vec<_> = all().filter(|(pid, _)| *pid == std::process::id()).collect();
    // All processes first: so a namespace's programs have ended once it is gone.
    own.iter().for_each(|(_, name)| kill_inside(name));
    own.iter().for_each(|(_, name)| remove(name));
}

/// Removes what dead processes left behind.
pub fn remove_stale() {
    let is_gone = |pid: u32| !Path::new(&format!("/proc/{pid}")).exists();
    all().filter(|(pid, _)| is_gone(*pid)).for_each(|(_, name)| remove(&name));
}

/// The same by the namespace's name, if its handle cannot be held.
pub fn cmd_in(name: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name, program]);
    command
}

/// `ip WORDS…`, split at blanks.
pub fn ip(words: &str) -> Result<String> {
    output(Command::new("ip").args(words.split_whitespace()))
}

/// Runs a command to its end; an error includes its output.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    bail!(
        "{command:?} failed ({}): {}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end(),
        String::from_utf8_lossy(&output.stdout).trim_end(),
    )
}
