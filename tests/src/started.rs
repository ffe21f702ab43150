//! A program or a thread that was started beside a test. Invariant: it ends with its handle.

use crate::cpu;
use crate::wait::Halt;
use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Read;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Killed when it is dropped.
#[derive(Debug)]
pub struct Started {
    pub(crate) child: Child,
    what: String,
}

impl Started {
    /// `what` names it in errors.
    pub fn new(what: impl Into<String>, command: &mut Command) -> Result<Self> {
        let what = what.into();
        let child = command.spawn().with_context(|| format!("cannot start {what}"))?;
        Ok(Self { child, what })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error, with its messages, if it no longer runs.
    pub fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let mut said = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            let _ = pipe.read_to_string(&mut said);
        }
        bail!("{} ended early with {status}: {}", self.what, said.trim_end())
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.pid())?), signal)?)
    }

    /// Requests the end, without waiting for it: a program ends its own children.
    pub fn ask(&self) {
        let _ = self.signal(Signal::SIGTERM);
    }

    /// Waits for its end, but not longer than `patience`; also after Ctrl-C, so that it ends in order.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        loop {
            let status = self.child.try_wait().ok().flatten();
            if status.is_some() || Instant::now() >= until {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A thread that ends on request. Dropped before it was joined, it is asked to end and waited for.
#[derive(Debug)]
pub struct StartedThread<T> {
    halt: Halt,
    /// Its number, and its processor time in nanoseconds once it has ended.
    clock: Arc<(AtomicI32, AtomicU64)>,
    thread: Option<JoinHandle<Result<T>>>,
}

impl<T: Send + 'static> StartedThread<T> {
    /// Threads with the same `halt` end together.
    pub fn new(halt: &Halt, work: impl FnOnce(&Halt) -> Result<T> + Send + 'static) -> Self {
        let (halt, clock) = (halt.clone(), Arc::<(AtomicI32, AtomicU64)>::default());
        let (halted, timed) = (halt.clone(), Arc::clone(&clock));
        let thread = std::thread::spawn(move || {
            timed.0.store(cpu::this_thread(), Ordering::Relaxed);
            let result = work(&halted);
            let whole = weir_probe::send::thread_time().as_nanos();
            timed.1.store(whole as u64, Ordering::Relaxed);
            result
        });
        Self { halt, clock, thread: Some(thread) }
    }
}

impl<T> StartedThread<T> {
    /// Processor time so far; while it runs, as of its last tick.
    pub fn cpu(&self) -> Duration {
        let (thread, whole) = &*self.clock;
        let whole = || Some(whole.load(Ordering::Relaxed)).filter(|ns| *ns > 0);
        // The thread may end between the two readings.
        let ns = whole().or_else(|| cpu::ran(thread.load(Ordering::Relaxed))).or_else(whole);
        Duration::from_nanos(ns.unwrap_or(0))
    }

    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Requests the end, without waiting for it.
    pub fn ask(&self) {
        self.halt.say();
    }

    /// Waits for its end; call it once.
    pub fn join(&mut self) -> Result<T> {
        let thread = self.thread.take().context("joined already")?;
        thread.join().map_err(|_| anyhow!("its thread panicked"))?
    }
}

impl<T> Drop for StartedThread<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.halt.say();
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
