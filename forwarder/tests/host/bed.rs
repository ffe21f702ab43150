//! A host and its guests as network namespaces with unique names, removed when dropped.
//!
//! ```text
//!   host namespace              guest namespace
//!   v1 ───────── veth ───────── eth0
//! ```

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use weir::host::links::{Link, Links, Snapshot};

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Bed {
    prefix: String,
    namespaces: Vec<String>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        for name in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

impl Bed {
    /// A bed with an empty host namespace.
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut bed =
            Self { prefix: format!("wh{}-{number}", std::process::id()), namespaces: Vec::new() };
        bed.add_namespace("host");
        bed
    }

    pub(crate) fn add_namespace(&mut self, name: &str) {
        let name = self.namespace(name);
        run(&format!("ip netns add {name}"));
        self.namespaces.push(name.clone());
        run(&format!("ip -n {name} link set lo up"));
    }

    pub(crate) fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A guest: its `eth0` stands in a namespace of its own, at the other end of `port`.
    pub(crate) fn add_guest(&mut self, name: &str, port: &str) {
        self.add_namespace(name);
        let guest = self.namespace(name);
        self.host(&format!("ip link add {port} type veth peer name eth0 netns {guest}"));
        self.host(&format!("ip link set {port} up"));
        run(&format!("ip -n {guest} link set eth0 up"));
    }

    /// A command in the host namespace; its standard output.
    pub(crate) fn host(&self, command: &str) -> String {
        self.inside("host", command)
    }

    pub(crate) fn inside(&self, name: &str, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.namespace(name)))
    }

    /// Does something in a namespace of the bed, on a thread of its own.
    pub(crate) fn enter<T: Send>(&self, name: &str, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.namespace(name));
        let there = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            worker.join()
        });
        there.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Everything that weir could have changed on an interface, as the tools show it.
    pub(crate) fn settings_of(&self, name: &str, interface: &str) -> String {
        let mut text = self.inside(name, &format!("ethtool -k {interface}"));
        let _ = write!(text, "{}", self.inside(name, &format!("tc qdisc show dev {interface}")));
        let link = self.inside(name, &format!("ip -o link show {interface}"));
        let words: Vec<_> = link.split_whitespace().collect();
        let queue = words.iter().position(|word| *word == "qlen").and_then(|at| words.get(at + 1));
        let _ = write!(text, "qlen {queue:?}");
        text
    }
}

/// Runs a test inside the host namespace of a bed, on a thread of its own.
pub(crate) fn in_host(test: impl FnOnce(&mut Bed) + Send) {
    if !nix::unistd::geteuid().is_root() {
        // Past the test harness, which would swallow it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: this test needs root for its namespaces");
        return;
    }
    let mut bed = Bed::new();
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let path = format!("/run/netns/{}", bed.namespace("host"));
            setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            test(&mut bed);
        });
        if let Err(panic) = worker.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// An async test inside the host namespace, where the runtime's helper threads are too.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

pub(crate) fn snapshot() -> Snapshot {
    block_on(async { Links::open().unwrap().snapshot().await.unwrap() })
}

pub(crate) fn link(name: &str) -> Link {
    snapshot().by_name(name).unwrap().clone()
}

/// Waits for a condition, with a deadline.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
