//! An XDP program at a guest's end that counts frames by their bytes, tags included, as they come.

use crate::bed::GUEST_IF;
use crate::wait::wait_for;
use crate::{Guest, Ns};
use anyhow::{Context, Result};
use std::time::Duration;
use weir_port::rawprog::{Action, Attached, Counter, Hook, Program};

/// Counts while it lives; frames pass on to the guest.
#[derive(Debug)]
pub struct Observer {
    counter: Counter,
    _attached: Attached,
}

impl Observer {
    /// Counts frames with `bytes` at `offset`.
    pub fn matching(guest: &Guest, offset: u8, bytes: [u8; 4]) -> Result<Self> {
        let counter = Counter::new()?;
        let program = Program::count_matching(&counter, offset, bytes, Action::Pass)?;
        // In skb mode: a native program would turn segmentation off at the sender.
        let attached = attach(&guest.ns, GUEST_IF, &program, Hook::Skb)?;
        Ok(Self { counter, _attached: attached })
    }

    /// Counts every frame in the driver and drops it: the cheapest sink there is.
    pub fn drain(ns: &Ns, interface: &str) -> Result<Self> {
        let counter = Counter::new()?;
        let program = Program::count(&counter, Action::Drop)?;
        let attached = attach(ns, interface, &program, Hook::Native)?;
        Ok(Self { counter, _attached: attached })
    }

    pub fn total(&self) -> Result<u64> {
        self.counter.total().context("the counter")
    }

    /// Waits for `count` frames, and a moment longer for one too many.
    pub fn wait_exactly(&self, count: u64, what: &str) -> Result<()> {
        let what = format!("{count} {what}");
        wait_for(Duration::from_secs(3), &what, || self.total().is_ok_and(|n| n >= count))
            .with_context(|| format!("{:?} came", self.total()))?;
        std::thread::sleep(Duration::from_millis(50));
        let total = self.total()?;
        anyhow::ensure!(total == count, "{total} came instead of {what}");
        Ok(())
    }
}

/// Attaches a program to an interface of a namespace.
pub fn attach(ns: &Ns, interface: &str, program: &Program, hook: Hook) -> Result<Attached> {
    let ifindex = ns.ifindex(interface)?;
    ns.run(|| program.attach(ifindex, hook).context("attaching a program"))
}
