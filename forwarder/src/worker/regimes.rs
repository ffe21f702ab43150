//! The accounting of the worker's own time.
//!
//! Invariant: every nanosecond between two readings of the clock is charged to exactly one regime, so the
//! regimes add up to the time since the worker started.

/// What a turn of the loop was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Frames were received, sent or completed.
    Busy,
    /// There was nothing to do: all rings were empty, or the worker slept.
    Idle,
    /// Frames wait, but their devices take none.
    BackPressured,
}

/// Time per regime. `charge` is called once a turn with the clock reading of that turn.
#[derive(Clone, Debug, Default)]
pub struct Regimes {
    pub busy_ns: u64,
    pub idle_ns: u64,
    pub back_pressured_ns: u64,
    pub turns: u64,
    pub limited: Limited,
    since_ns: u64,
}

/// How long something waited only for the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limited {
    pub ns: u64,
    /// The limited time in the last tenths of a second, and the whole time in them.
    recent_ns: u64,
    of_ns: u64,
}

impl Limited {
    /// The time after which the recent measurements have lost half of their weight.
    const RECENT_NS: u64 = 200_000_000;

    fn charge(&mut self, spent_ns: u64, is_limit: bool) {
        let limited_ns = if is_limit { spent_ns } else { 0 };
        self.ns += limited_ns;
        self.recent_ns += limited_ns;
        self.of_ns += spent_ns;
        while self.of_ns > Self::RECENT_NS {
            (self.recent_ns, self.of_ns) = (self.recent_ns / 2, self.of_ns / 2);
        }
    }

    /// The limited part of the last tenths of a second, in thousandths.
    pub fn now_permille(&self) -> u64 {
        (self.recent_ns * 1000).checked_div(self.of_ns).unwrap_or(0)
    }
}

impl Regimes {
    pub fn new(now_ns: u64) -> Self {
        Self { since_ns: now_ns, ..Self::default() }
    }

    /// Charges the time since the last call to `regime`. `is_limit`: the worker was the limit in that time.
    #[inline]
    pub fn charge(&mut self, regime: Regime, is_limit: bool, now_ns: u64) {
        let spent_ns = now_ns.saturating_sub(self.since_ns);
        *match regime {
            Regime::Busy => &mut self.busy_ns,
            Regime::Idle => &mut self.idle_ns,
            Regime::BackPressured => &mut self.back_pressured_ns,
        } += spent_ns;
        self.turns += 1;
        self.since_ns = now_ns.max(self.since_ns);
        self.limited.charge(spent_ns, is_limit);
    }
}

#[cfg(test)]
mod tests;
