//! When each datagram is due. Invariant: the schedule is absolute: due times follow from the order,
//! never from the actual sending times, so that a late sender catches up.

use super::rate::Rate;

const NS_PER_S: u128 = 1_000_000_000;

/// Counts turns, and computes when the next datagram is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    rate: Rate,
    burst: u64,
    turns: u64,
    /// The bits of all turns.
    bits: u128,
    /// The bits of the turns before the current burst.
    burst_began_bits: u128,
}

impl Schedule {
    /// `burst` datagrams are due together.
    #[must_use]
    pub fn new(rate: Rate, burst: u64) -> Self {
        Self { rate, burst: burst.max(1), turns: 0, bits: 0, burst_began_bits: 0 }
    }

    /// When the next datagram is due, since the start; 0 without a rate.
    pub fn due_ns(&self) -> u64 {
        let due = match self.rate {
            Rate::Max => 0,
            Rate::Packets { milli_pps } => {
                let before = self.turns - self.turns % self.burst;
                (u128::from(before) * 1000 * NS_PER_S)
                    .checked_div(milli_pps.into())
                    .unwrap_or(u128::MAX)
            }
            Rate::Bits { bits_per_s } => (self.burst_began_bits * NS_PER_S)
                .checked_div(bits_per_s.into())
                .unwrap_or(u128::MAX),
        };
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// Takes the turn of a datagram whose frame has `frame_bytes`, sent or not.
    pub fn turn(&mut self, frame_bytes: u32) {
        self.turns += 1;
        self.bits += 8 * u128::from(frame_bytes);
        if self.turns.is_multiple_of(self.burst) {
            self.burst_began_bits = self.bits;
        }
    }

    /// How many datagrams are due before `end_ns`, from the start; by their mean size, if the rate
    /// depends on it.
    pub fn planned(&self, end_ns: u64, mean_frame_bytes: u64) -> u64 {
        let (end, burst) = (u128::from(end_ns), u128::from(self.burst));
        let bursts = match self.rate {
            Rate::Max => 0,
            Rate::Packets { milli_pps } => {
                (end * u128::from(milli_pps)).div_ceil(burst * 1000 * NS_PER_S)
            }
            Rate::Bits { bits_per_s } => {
                let bits = u128::from(8 * mean_frame_bytes.max(1)) * burst;
                (end * u128::from(bits_per_s)).div_ceil(bits * NS_PER_S)
            }
        };
        u64::try_from(bursts * burst).unwrap_or(u64::MAX)
    }

    /// The number of turns taken.
    pub fn turns(&self) -> u64 {
        self.turns
    }
}

#[cfg(test)]
mod tests;
