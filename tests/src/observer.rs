//! A program at a guest's end (XDP or tcx) that counts frames by their bytes, tags included, as they
//! arrive; or by their sender or way, with the delay of each.

use crate::bed::GUEST_IF;
use crate::wait::wait_for;
use crate::{Guest, Ns};
use anyhow::{Context, Result};
use std::time::Duration;
pub use weir_rig::Hook as At;
use weir_rig::tally::Tally;
pub use weir_rig::tally::{By, Count, Keep};
use weir_rig::{Action, Attached, Counter, Hook, Program};

/// Counts while it lives; the frames pass on to the guest.
#[derive(Debug)]
pub struct Observer {
    counter: Counter,
    _attached: Attached,
}

impl Observer {
    /// Counts frames with `bytes` at `offset`.
    pub fn matching(guest: &Guest, offset: u8, bytes: [u8; 4]) -> Result<Self> {
        let program = Program::matching([(offset, bytes); 2], Action::Pass, Action::Pass)?;
        // In skb mode: a native program would turn segmentation off at the sender.
        Self::start(&guest.ns, GUEST_IF, program, Hook::Skb)
    }

    /// Counts every frame in the driver and drops it: the cheapest possible sink.
    pub fn drain(ns: &Ns, interface: &str) -> Result<Self> {
        Self::start(ns, interface, Program::count(Action::Drop)?, Hook::Native)
    }

    fn start(ns: &Ns, interface: &str, mut program: Program, hook: Hook) -> Result<Self> {
        let counter = program.counter()?;
        Ok(Self { counter, _attached: attach(ns, interface, program, hook)? })
    }

    pub fn total(&self) -> Result<u64> {
        self.counter.total().context("the counter")
    }

    /// Waits for `count` frames, and a moment longer to notice surplus ones.
    pub fn wait_exactly(&self, count: u64, what: &str) -> Result<()> {
        let what = format!("{count} {what}");
        wait_for(Duration::from_secs(30), &what, || self.total().is_ok_and(|n| n >= count))
            .with_context(|| format!("{:?} came", self.total()))?;
        std::thread::sleep(Duration::from_millis(50));
        let total = self.total()?;
        anyhow::ensure!(total == count, "{total} came instead of {what}");
        Ok(())
    }
}

/// Counts by sender while it lives, and times one of them.
#[derive(Debug)]
pub struct Watch {
    tally: Tally,
    _attached: Attached,
}

impl Watch {
    /// Frames from senders outside `keep` are counted and dropped there, so no receiver has to run. The
    /// native hook is cheapest, but turns segmentation off towards the guest; the hook on finished skbs
    /// (`At::Skb`) does not. Frames from `bpf_redirect_peer` pass neither of the two: they are counted
    /// at tcx (`At::Tcx`).
    pub fn start(guest: &Guest, timed: Option<&Guest>, keep: Keep, at: At) -> Result<Self> {
        let timed = timed.map(|guest| guest.number);
        Self::start_by(By::SourceMac, &guest.ns, GUEST_IF, timed, keep, at, 0)
    }

    /// The same at any interface, with the senders told apart by `by`, and `spends_ns`
    /// spent on each frame.
    pub fn start_by(
        by: By,
        ns: &Ns,
        interface: &str,
        timed: Option<u8>,
        keep: Keep,
        at: At,
        spends_ns: u32,
    ) -> Result<Self> {
        let mtu = ns.link(interface)?["mtu"].as_u64().context("no MTU")?;
        // The loopback's MTU is larger than any frame.
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
        let (program, tally) = Tally::load(by, timed, keep, mtu, at, spends_ns)?;
        let attached = attach(ns, interface, program, at)?;
        Ok(Self { tally, _attached: attached })
    }

    /// The count from a guest so far.
    pub fn from(&self, guest: &Guest) -> Result<Count> {
        self.of(guest.number)
    }

    /// The count from the sender of this number so far.
    pub fn of(&self, number: u8) -> Result<Count> {
        self.tally.from(number).context("the tally")
    }

    /// The delays of the stamped datagrams with these numbers from their sender to this end.
    pub fn delays_ns(&self, numbers: std::ops::Range<u32>) -> Result<Vec<u64>> {
        self.tally.delays_ns(numbers).context("the delays")
    }
}

/// Attaches a program to an interface of a namespace.
pub fn attach(ns: &Ns, interface: &str, mut program: Program, hook: Hook) -> Result<Attached> {
    let ifindex = ns.ifindex(interface)?;
    ns.run(|| program.attach(ifindex, hook).context("attaching a program"))
}
