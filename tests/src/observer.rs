//! Programs at a guest's end (XDP or tcx): an [`Observer`] counts frames by their bytes, tags included, as
//! they arrive; a [`Watch`] by the last byte of one of their addresses, with the delays of stamped
//! datagrams. So measuring needs no running receiver.
//!
//! Invariant: a watch counts every frame for one address once and by its length on the wire, whether it
//! comes alone or merged with others; group frames, which the guests' own kernels send now and then, are
//! not counted. A delay is taken where the program runs, so it includes no wake-up.

use crate::bed::GUEST_IF;
use crate::wait::wait_for;
use crate::{Guest, Ns};
use anyhow::{Context, Result};
use aya::maps::{Array, Map};
use std::time::Duration;
use weir_probe::program::PerCpu;
pub use weir_rig::Hook as At;
use weir_rig::{Action, Attached, Counter, Hook, Program};

/// The number of delays kept: by the datagram's number modulo this.
const DELAYS: u32 = 1 << 16;
const ALL: u32 = 256;
const NONE: u32 = 257;

/// Counts while it lives; the frames pass on to the guest.
#[derive(Debug)]
pub struct Observer {
    counter: Counter,
    _attached: Attached,
}

impl Observer {
    /// Counts frames with `bytes` at `offset`.
    pub fn matching(guest: &Guest, offset: u8, bytes: [u8; 4]) -> Result<Self> {
        let mut program = Program::matching([(offset, bytes); 2], Action::Pass, Action::Pass)?;
        let counter = program.counter()?;
        // In skb mode: a native program would turn segmentation off at the sender.
        Ok(Self { counter, _attached: attach(&guest.ns, GUEST_IF, program, Hook::Skb)? })
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

/// The frames from one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// A merged frame counts as one.
    pub frames: u64,
    /// On the wire, without the trailer.
    pub bytes: u64,
    /// Frames on the wire: a merged frame counts as all that it was made of.
    pub segments: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.frames += more.frames;
        self.bytes += more.bytes;
        self.segments += more.segments;
    }
}

/// The address whose last byte tells the sources apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    SourceMac,
    /// The destination IP address: it tells ways apart that end at one host, each at an address of its
    /// own, and reach it through one neighbour. Frames without IP, or with a tag, are not counted then.
    DestinationAddress,
}

/// The sources whose frames go on to the stack; all others end at the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    All,
    Only(u8),
    None,
}

/// Counts by source while it lives, and times one of them.
#[derive(Debug)]
pub struct Watch {
    counts: PerCpu<3>,
    delays: Map,
    _attached: Attached,
}

impl Watch {
    /// Frames from senders outside `keep` are counted and dropped there, so no receiver has to run.
    pub fn start(guest: &Guest, keep: Keep) -> Result<Self> {
        Self::start_by(By::SourceMac, &guest.ns, GUEST_IF, None, keep, At::Native, 0)
    }

    /// The same at any interface, with the sources told apart by `by`. The native hook is cheapest, but
    /// turns segmentation off towards the guest; the hook on finished skbs (`At::Skb`) does not. Frames
    /// from `bpf_redirect_peer` pass neither of the two: they are counted at tcx (`At::Tcx`). It spends
    /// `spends_ns` on each frame, as the rules of a firewall would, 20 us at most.
    pub fn start_by(
        by: By,
        ns: &Ns,
        interface: &str,
        timed: Option<u8>,
        keep: Keep,
        at: At,
        spends_ns: u32,
    ) -> Result<Self> {
        let keep = match keep {
            Keep::All => ALL,
            Keep::Only(source) => source.into(),
            Keep::None => NONE,
        };
        // A frame that is longer than one of this MTU counts as merged. The loopback's is larger than any.
        let mtu = ns.link(interface)?["mtu"].as_u64().context("no MTU")?;
        let globals: [(&str, &[u32]); 5] = [
            ("BY_DESTINATION", &[(by == By::DestinationAddress).into()]),
            ("TIMED", &[timed.map_or(NONE, u32::from)]),
            ("KEEP", &[keep]),
            ("MTU", &[mtu.min(u16::MAX.into()) as u32]),
            ("SPENDS", &[spends_ns]),
        ];
        let name = if at == At::Tcx { "tally_tcx" } else { "tally_xdp" };
        let mut program = Program::load(name, &globals)?;
        let (counts, delays) = (program.per_cpu("COUNTS")?, program.map("DELAYS")?);
        Ok(Self { counts, delays, _attached: attach(ns, interface, program, at)? })
    }

    /// The count from a guest so far.
    pub fn from(&self, guest: &Guest) -> Result<Count> {
        self.of(guest.number)
    }

    /// The count from the source of this number so far.
    pub fn of(&self, number: u8) -> Result<Count> {
        let [frames, bytes, segments] = self.counts.sums(number.into()).context("the tally")?;
        Ok(Count { frames, bytes, segments })
    }

    /// The delays of the timed source's datagrams numbered `numbers`, as far as they arrived.
    pub fn delays_ns(&self, numbers: std::ops::Range<u32>) -> Result<Vec<u64>> {
        let map = Array::<_, u64>::try_from(&self.delays)?;
        let mut delays = Vec::new();
        for number in numbers {
            let ns = map.get(&(number % DELAYS), 0).context("the delays")?;
            delays.extend((ns != 0).then_some(ns));
        }
        Ok(delays)
    }
}

/// Attaches a program to an interface of a namespace.
pub fn attach(ns: &Ns, interface: &str, mut program: Program, hook: Hook) -> Result<Attached> {
    let ifindex = ns.ifindex(interface)?;
    ns.run(|| program.attach(ifindex, hook).context("attaching a program"))
}
