//! A receiver that can be stopped: a veth's end whose poll is a thread, held off its core.
//!
//! Invariant: while it is held nothing is taken out of the veth's ring, so that the sender meets a
//! full device; nothing else is held.

use crate::bed::GUEST_IF;
use crate::cpu;
use crate::{Guest, ns, wait_for};
use anyhow::{Context, Result, anyhow, ensure};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The poll of a guest's end on a core where nothing else of a test runs.
#[derive(Debug)]
pub struct Consumer {
    core: usize,
}

impl Consumer {
    /// Has the guest's end polled by a thread on `core`. A native program must be attached there
    /// already: otherwise the kernel delivers on the sender's core what it cannot merge.
    pub fn threaded(guest: &Guest, core: usize) -> Result<Self> {
        let before = polls()?;
        let file = format!("/sys/class/net/{GUEST_IF}/threaded");
        // `ip netns exec` mounts the namespace's own /sys.
        ns::output(guest.ns.cmd("sh").args(["-c", &format!("echo 1 > {file}")]))?;
        let mut found = BTreeSet::new();
        wait_for(Duration::from_secs(5), "a thread that polls", || {
            found = polls().unwrap_or_default().difference(&before).copied().collect();
            !found.is_empty()
        })?;
        for thread in found {
            cpu::pin_other(thread, core).context("a poll's thread")?;
        }
        Ok(Self { core })
    }

    /// Runs `f` while the consumer stands still, for `time` or as long as `f` takes.
    pub fn stopped<T: Send>(&self, time: Duration, f: impl FnOnce() -> Result<T>) -> Result<T> {
        // Real-time threads are throttled after 0.95 s of every second.
        ensure!(time <= Duration::from_millis(800), "nobody can hold a core for so long");
        let core = self.core;
        std::thread::scope(|scope| {
            let holder = scope.spawn(move || -> Result<()> {
                cpu::pin(core);
                cpu::urgent()?;
                let start = Instant::now();
                while start.elapsed() < time {
                    std::hint::spin_loop();
                }
                Ok(())
            });
            let result = f();
            holder.join().map_err(|_| anyhow!("the holder panicked"))??;
            result
        })
    }
}

/// The threads that poll an interface of this name, in any namespace.
fn polls() -> Result<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if comm.starts_with(&format!("napi/{GUEST_IF}-")) {
            found.extend(entry.file_name().to_string_lossy().parse::<i32>());
        }
    }
    Ok(found)
}
