//! An operator's promises as the core takes them: per port, and for all links together. Invariant: plain
//! values. Whether they fit together (sums of minimum rates, units) is checked before they get here; the core
//! applies what it gets.

use crate::{Policy, Rate, Release, Role};

/// Everything about one port. `share`, `release` and the queue bounds apply to the port as a source,
/// `link_rate` applies to it as a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortSettings {
    pub role: Role,
    /// Bytes that packets from this port may have waiting for each link.
    pub queue_bytes: u64,
    /// Frames of the pool that packets from this port may hold, over all links together.
    pub queue_frames: u32,
    pub share: Share,
    /// The rate of what is sent out of this port; `None`: as much as the device takes.
    pub link_rate: Option<Rate>,
    pub release: ReleaseSettings,
    /// Another worker serves the port: what is queued for it is handed over there, unshaped.
    pub remote: bool,
}

/// What a port is promised on every contended link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// 1 to [`Share::MAX_WEIGHT`]: checked where settings are read, and nowhere after.
    pub weight: u32,
    /// Kept on each link that has a rate.
    pub min_rate: Option<Rate>,
    /// The limit over all links together.
    pub max_rate: Option<Rate>,
    /// How far above `max_rate` the source may get after a pause.
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
    /// Release a container at once while the link has nothing else to send.
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
    /// How long the debt of a vif that has stopped sending is remembered.
    pub inactive_after_ns: u64,
}

impl Default for SchedulerSettings {
    fn default() -> Self {
        Self { policy: Policy::Drr, inactive_after_ns: 10_000_000 }
    }
}

impl PortSettings {
    /// Bytes that one vif may have waiting for one link, unless its port's settings say otherwise.
    pub const DEFAULT_QUEUE_BYTES: u64 = 512 << 10;

    /// The default settings of a port of this role.
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
