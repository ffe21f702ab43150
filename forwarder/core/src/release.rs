//! When an open container is let go, and why it was. Invariant: a policy decides from the times
//! it is given only, so the same calls give the same answers.
//!
//! `eager` lets go at the end of the poll burst that opened it: it gathers what is already there
//! and adds no waiting.

use std::fmt;

/// Why a container went from open to queued.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ReleaseReason {
    /// The next packet did not fit.
    Full,
    /// It had been open for the longest time allowed.
    Timeout,
    /// Its first packet's playout deadline came.
    Playout,
    /// Its link had nothing else to send.
    Idle,
    /// The burst it was opened in ended, or its port was being emptied.
    Flush,
}

impl ReleaseReason {
    pub const ALL: &'static [Self] =
        &[Self::Full, Self::Timeout, Self::Playout, Self::Idle, Self::Flush];
    pub const COUNT: usize = Self::ALL.len();

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Timeout => "timeout",
            Self::Playout => "playout",
            Self::Idle => "idle",
            Self::Flush => "flush",
        }
    }
}

impl fmt::Display for ReleaseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The rule by which open containers are let go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ReleasePolicy {
    #[default]
    Eager,
}

impl ReleasePolicy {
    /// Asked for every open container at the end of a burst; `None`: leave it open.
    #[inline]
    #[must_use]
    pub const fn at_end_of_burst(self, _now_ns: u64, _opened_ns: u64) -> Option<ReleaseReason> {
        match self {
            Self::Eager => Some(ReleaseReason::Flush),
        }
    }
}
