//! What an operator promises, as the core takes it: per port, and for all links together.
//! Invariant: plain values without a meaning of their own; whether they fit together (sums of
//! minimum rates, units) is checked before they come here, and what comes here is obeyed.

use crate::{Policy, Rate, Release, Role};

/// Everything about one port. It applies in two ways: `share`, `release` and the queue bounds to
/// the port as a source, `link_rate` to the port as a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortSettings {
    pub role: Role,
    /// What packets from here may have waiting for each link, in bytes.
    pub queue_bytes: u64,
    /// Frames of the pool that packets from here may hold, over all links together.
    pub queue_frames: u32,
    pub share: Share,
    /// What may leave towards this port; `None`: what the device takes.
    pub link_rate: Option<Rate>,
    pub release: ReleaseSettings,
    /// Served by another worker: what is queued for it is handed over there, unshaped.
    pub remote: bool,
}

/// What a port is promised on every contended link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// 1 to [`Share::MAX_WEIGHT`].
    pub weight: u32,
    /// Kept on each link that has a rate.
    pub min_rate: Option<Rate>,
    /// Over all links together.
    pub max_rate: Option<Rate>,
    /// How far above `max_rate` it may get after a pause.
    pub burst_bytes: u64,
}

impl Share {
    pub const MAX_WEIGHT: u32 = 1000;
    pub const DEFAULT_BURST_BYTES: u64 = 64 << 10;
}

impl Default for Share {
    fn default() -> Self {
        Self { weight: 1, min_rate: None, max_rate: None, burst_bytes: Self::DEFAULT_BURST_BYTES }
    }
}

/// When a port's containers are released.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseSettings {
    pub policy: Release,
    /// T0: the longest a container stays open.
    pub timeout_ns: u64,
    /// The weight of the past in the estimates, in 1/65536.
    pub alpha_q16: u32,
    /// Let go at once while the link has nothing else to send.
    pub work_conserving: bool,
}

impl Default for ReleaseSettings {
    fn default() -> Self {
        Self {
            policy: Release::Eager,
            timeout_ns: 200_000,
            // 0.99
            alpha_q16: 64_881,
            work_conserving: true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SchedulerSettings {
    pub policy: Policy,
    /// How long a vif that has stopped sending is remembered.
    pub inactive_after_ns: u64,
}

impl Default for SchedulerSettings {
    fn default() -> Self {
        Self { policy: Policy::Drr, inactive_after_ns: 10_000_000 }
    }
}

impl PortSettings {
    /// What one vif may have waiting for one link, where its port does not say.
    pub const DEFAULT_QUEUE_BYTES: u64 = 512 << 10;

    /// An ordinary port of this role.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            queue_bytes: Self::DEFAULT_QUEUE_BYTES,
            queue_frames: u32::MAX,
            share: Share::default(),
            link_rate: None,
            release: ReleaseSettings::default(),
            remote: false,
        }
    }
}
