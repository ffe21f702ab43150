//! The lanes of frames. Invariant: of what a port sent, `express` and `scheduled` are its `rx`, and
//! `bridge` is its `passed`; of what was delivered to it, `express` and `scheduled` are its `tx`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub frames: u64,
    pub bytes: u64,
}

/// The frames that a port sent, by lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lanes {
    /// Handed to their destination by the gate.
    pub express: Amount,
    /// Received by a worker.
    pub scheduled: Amount,
    /// Left to the kernel, for the bridge or the host.
    pub bridge: Amount,
}

/// The frames delivered to a port. weir does not see what the bridge delivers to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxLanes {
    pub express: Amount,
    pub scheduled: Amount,
}

/// The present lane of a link with a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkLane {
    pub lane: LaneNow,
    /// How often a source had to wait, so that the link was scheduled from then on.
    pub closings: u64,
    /// Frames of the host and the bridge, which were charged to its rate.
    #[serde(default)]
    pub charged: Amount,
    /// How far the link is ahead of its rate now.
    #[serde(default)]
    pub ahead_ns: u64,
}

weir_core::choices! {
    /// The lane of a link.
    LaneNow {
        /// The gate hands frames over
        Express = "express",
        /// A worker sends them
        Scheduled = "scheduled",
    }
}

impl LinkLane {
    /// Whether the host and the bridge send more than the link takes: it is further ahead of its rate
    /// than weir itself ever brings it.
    pub fn is_full(&self) -> bool {
        const FULL_NS: u64 = 20_000_000;
        self.ahead_ns >= FULL_NS
    }
}

impl Amount {
    pub fn new(frames: u64, bytes: u64) -> Self {
        Self { frames, bytes }
    }

    /// The difference since `before`; 0 if `before` was more.
    pub fn since(self, before: Self) -> Self {
        Self {
            frames: self.frames.saturating_sub(before.frames),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            frames: self.frames.saturating_add(other.frames),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}
