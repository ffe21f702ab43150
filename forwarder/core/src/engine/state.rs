//! What the engine keeps for a port as a destination (`Link`), for a port as a source (`Source`), and for
//! each pair (`Pair`). Invariant: a source's frames are the sum of its pairs' frames, and a pair's load is
//! that of its packets.

use crate::release::Estimate;
use crate::{
    ByPort, Container, Load, Packet, PortSet, PortSettings, Rate, Release, ReleaseReason,
    ReleaseSettings, Releases, Scheduler,
};

/// What was handed to a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PairCounts {
    pub sent_packets: u64,
    pub sent_bytes: u64,
}

/// Released containers, and their contents at release.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ContainerCounts {
    pub released: Releases,
    pub packets: u64,
    pub bytes: u64,
    /// Time between opening and release, summed over the containers.
    pub wait_ns: u64,
}

impl std::ops::AddAssign for ContainerCounts {
    fn add_assign(&mut self, other: Self) {
        self.released += other.released;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.wait_ns += other.wait_ns;
    }
}

/// What one ingress port has waiting for one egress port. A pair is created with its first packet, and lasts
/// as long as both ports do.
pub(super) struct Pair<P> {
    pub(super) open: Option<Container<P>>,
    /// What is open, queued, or on its way to the worker that serves the link.
    pub(super) load: Load,
    pub(super) bound: u64,
    /// When the open container is released at the latest, and the reason that then applies.
    pub(super) deadline_ns: u64,
    pub(super) at_deadline: ReleaseReason,
    /// When the last packet was added to the open container.
    pub(super) last_ns: u64,
    pub(super) release: ReleaseSettings,
    pub(super) estimate: Estimate,
    pub(super) counts: PairCounts,
    pub(super) shed: bool,
    /// The value of `shed` that was last reported to the caller.
    pub(super) shed_told: bool,
    /// Whether the pair is in the list of changes.
    pub(super) shed_noted: bool,
}

impl<P: Packet> Pair<P> {
    pub(super) fn new(from: &PortSettings) -> Self {
        Self {
            open: None,
            load: Load::default(),
            bound: from.queue_bytes,
            deadline_ns: 0,
            at_deadline: ReleaseReason::Flush,
            last_ns: 0,
            release: from.release,
            estimate: Estimate::default(),
            counts: PairCounts::default(),
            shed: false,
            shed_told: false,
            shed_noted: false,
        }
    }

    /// Whether its containers may grow in the queue. With the other policies they stay as they were released.
    #[inline]
    pub(super) fn joins(&self) -> bool {
        self.release.policy == Release::Eager
    }

    /// Counts packets that come, unless they do not fit; the error is whether there were too few frames.
    #[inline]
    pub(super) fn take_in(&mut self, source: &mut Source, load: Load) -> Result<(), bool> {
        let for_frames = source.is_short_of(self.load.frames, load.frames);
        let is_full = self.load.bytes + load.bytes > self.bound && self.load.packets != 0;
        if for_frames || is_full {
            return Err(for_frames);
        }
        self.load += load;
        source.frames += load.frames;
        Ok(())
    }

    /// Sets when the container opened at `opened_ns` is to be released.
    #[inline]
    pub(super) fn plan_release(&mut self, opened_ns: u64) {
        let (stay_ns, reason) = self.release.stay(&self.estimate);
        self.deadline_ns = opened_ns.saturating_add(stay_ns);
        self.at_deadline = reason;
    }

    /// Closes what was its open container.
    #[inline]
    pub(super) fn end_filling(
        &mut self,
        container: &mut Container<P>,
        counts: &mut ContainerCounts,
        now: u64,
        reason: ReleaseReason,
    ) {
        container.release(now);
        counts.released.add(reason, 1);
        counts.packets += container.len() as u64;
        counts.bytes += container.bytes();
        let opened_ns = container.opened_ns();
        counts.wait_ns += now.saturating_sub(opened_ns);
        // An idle link cut the wait short, so what a longer wait would have brought is unknown.
        if self.release.policy == Release::Adaptive && reason != ReleaseReason::Idle {
            let useful_ns = self.last_ns.saturating_sub(opened_ns);
            self.estimate.observe(self.release.alpha_q16, useful_ns);
        }
    }
}

/// A port as a destination.
pub(super) struct Link<P> {
    pub(super) scheduler: Scheduler<P>,
    /// By ingress port: the pairs of the ports that have sent here.
    pub(super) pairs: ByPort<Pair<P>>,
    pub(super) rate: Option<Rate>,
    pub(super) remote: bool,
    pub(super) piece_bytes: u32,
}

impl<P> Link<P> {
    pub(super) fn set_rate(&mut self, rate: Option<Rate>, container_bytes: u32) {
        /// The bits per second at which 50 us carry one byte.
        const PER_50_US: u64 = 160_000;
        self.rate = rate;
        self.piece_bytes = rate.map_or(u32::MAX, |rate| {
            u32::try_from(rate.bits_per_s / PER_50_US).unwrap_or(u32::MAX).max(container_bytes)
        });
    }
}

/// A port as a source.
#[derive(Default)]
pub(super) struct Source {
    /// `None`: there is no such port.
    pub(super) settings: Option<PortSettings>,
    /// Frames of its packets that wait here or are on their way to another worker, over all links.
    pub(super) frames: u64,
    pub(super) frames_bound: u64,
    /// The links it is shed for because of `frames_bound`.
    pub(super) starved: PortSet,
    pub(super) counts: ContainerCounts,
}

impl Source {
    /// Whether a pair that holds `pair_frames` may not take `more` frames. It may hold no more than four
    /// times what is left. So one flood gets four fifths of the source's frames, and other traffic of the
    /// source still finds some.
    #[inline]
    pub(super) fn is_short_of(&self, pair_frames: u64, more: u64) -> bool {
        let left = self.frames_bound.saturating_sub(self.frames);
        self.frames != 0 && (more > left || pair_frames + more > 4 * left)
    }

    /// Whether a pair has few enough frames to be let in again, well below the limit.
    pub(super) fn is_well_below(&self, pair_frames: u64) -> bool {
        let left = self.frames_bound.saturating_sub(self.frames);
        pair_frames < 3 * left
    }
}
