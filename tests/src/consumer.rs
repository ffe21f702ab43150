//! A receiver that can be stopped: a veth's end whose poll is a thread, which is kept off its core.
//!
//! Invariant: while it is held nothing is taken out of the veth's ring, so that the sender meets a full
//! device; nothing else is stopped.
//!
//! The poll's thread is real-time, too, below its holder: the kernel grants threads without such a
//! priority a part of every second, at any moment of it (the fair server, since Linux 6.12).

use crate::bed::GUEST_IF;
use crate::wait::Halt;
use crate::{Guest, StartedThread, cpu, ns, wait_for};
use anyhow::{Context, Result, ensure};
use procfs::process::{Process, all_processes};
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Real-time priorities: the holder's above the poll's.
const POLL: u8 = 5;
const HOLDER: u8 = 10;

/// The poll of a guest's end, on a core where nothing else of a test runs.
#[derive(Debug)]
pub struct Consumer {
    core: usize,
}

impl Consumer {
    /// Has a thread on `core` poll the guest's end. A native program must be attached there already:
    /// otherwise the kernel delivers frames that it cannot merge on the sender's core.
    pub fn threaded(guest: &Guest, core: usize) -> Result<Self> {
        let before = polls()?;
        let file = format!("/sys/class/net/{GUEST_IF}/threaded");
        // `ip netns exec` mounts the namespace's own /sys.
        ns::output(guest.ns.cmd("sh").args(["-c", &format!("echo 1 > {file}")]))?;
        let mut found = BTreeSet::new();
        wait_for(Duration::from_secs(30), "a thread that polls", || {
            found = polls().unwrap_or_default().difference(&before).copied().collect();
            !found.is_empty()
        })?;
        for thread in found {
            cpu::pin_other(thread, core).context("a poll's thread")?;
            cpu::urgent(thread, POLL).context("a poll's thread")?;
        }
        Ok(Self { core })
    }

    /// Runs `f` while the consumer stands still, for at least `time` and until `f` is done.
    pub fn stopped<T>(&self, time: Duration, f: impl FnOnce() -> Result<T>) -> Result<T> {
        // Kernels without the fair server throttle real-time threads after 0.95 s of every second.
        ensure!(time <= Duration::from_millis(800), "a core cannot be held for that long");
        let (core, (held, is_held)) = (self.core, mpsc::channel());
        let mut holder = StartedThread::new(&Halt::default(), move |halt| {
            cpu::pin(core);
            cpu::urgent(cpu::this_thread(), HOLDER)?;
            let start = Instant::now();
            held.send(()).context("the caller is gone")?;
            while start.elapsed() < time || !halt.is_said() {
                std::hint::spin_loop();
            }
            Ok(())
        });
        // A holder that could not start is reported below.
        let result = is_held.recv().map_err(Into::into).and_then(|()| f());
        holder.ask();
        holder.join().context("the holder")?;
        result
    }
}

/// The threads that poll an interface of this name, in any namespace.
fn polls() -> Result<BTreeSet<i32>> {
    let prefix = format!("napi/{GUEST_IF}-");
    let all = all_processes()?.flatten();
    let is_poll = |process: &Process| process.stat().is_ok_and(|it| it.comm.starts_with(&prefix));
    Ok(all.filter(is_poll).map(|process| process.pid).collect())
}
