//! Where the worker's own time goes.
//!
//! Invariant: every nanosecond between two clock readings is charged to exactly one regime, so the
//! regimes add up to the time since the worker started.

/// What a turn of the loop was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Frames were received, sent or completed.
    Busy,
    /// Nothing to do; the worker looked and found the rings empty.
    Idle,
    /// Frames wait, but the devices they are for take none.
    BackPressured,
    /// The worker slept in the kernel until something arrived.
    Asleep,
}

impl Regime {
    pub const COUNT: usize = 4;
    pub const ALL: [Self; Self::COUNT] =
        [Self::Busy, Self::Idle, Self::BackPressured, Self::Asleep];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::BackPressured => "back_pressured",
            Self::Asleep => "asleep",
        }
    }
}

/// Time per regime. `charge` is called once a turn with the clock that turn read.
#[derive(Clone, Debug)]
pub struct Regimes {
    spent_ns: [u64; Regime::COUNT],
    turns: [u64; Regime::COUNT],
    since_ns: u64,
}

impl Regimes {
    pub const fn new(now_ns: u64) -> Self {
        Self { spent_ns: [0; Regime::COUNT], turns: [0; Regime::COUNT], since_ns: now_ns }
    }

    /// Charges the time since the last call to `regime`.
    #[inline]
    pub fn charge(&mut self, regime: Regime, now_ns: u64) {
        let spent_ns = now_ns.saturating_sub(self.since_ns);
        self.spent_ns[regime as usize] += spent_ns;
        self.turns[regime as usize] += 1;
        self.since_ns = now_ns.max(self.since_ns);
    }

    pub const fn spent_ns(&self, regime: Regime) -> u64 {
        self.spent_ns[regime as usize]
    }

    pub const fn turns(&self, regime: Regime) -> u64 {
        self.turns[regime as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regimes_add_up_to_the_time_that_passed() {
        let mut regimes = Regimes::new(1_000);
        regimes.charge(Regime::Busy, 1_500);
        regimes.charge(Regime::Idle, 1_600);
        regimes.charge(Regime::Asleep, 9_600);
        regimes.charge(Regime::Busy, 10_000);
        let total: u64 = Regime::ALL.iter().map(|&r| regimes.spent_ns(r)).sum();
        assert_eq!(total, 9_000);
        assert_eq!(regimes.spent_ns(Regime::Busy), 900);
        assert_eq!(regimes.turns(Regime::Busy), 2);
    }

    #[test]
    fn a_clock_that_steps_back_charges_nothing() {
        let mut regimes = Regimes::new(1_000);
        regimes.charge(Regime::Busy, 900);
        regimes.charge(Regime::Busy, 1_100);
        assert_eq!(regimes.spent_ns(Regime::Busy), 100);
    }
}
