//! The sending rate, and when each datagram is due by it. Invariant: parsing is exact, and what `Display`
//! writes parses to the same rate. The schedule is absolute: due times follow from the order, never from
//! the actual sending times, so that a late sender catches up.

use std::fmt;
use std::str::FromStr;

use weir_core::units;

const NS_PER_S: u128 = 1_000_000_000;

/// Ethernet, UDP, and IPv4 or IPv6 without options: the bytes of a frame beside its payload.
pub const fn frame_overhead(v6: bool) -> u32 {
    14 + 8 + if v6 { 40 } else { 20 }
}

/// An offered rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Thousandths of a datagram per second.
    Packets { milli_pps: u64 },
    /// Bits of frames per second: with Ethernet header, without preamble and check sum.
    Bits { bits_per_s: u64 },
    /// As fast as the kernel accepts them.
    Max,
}

/// Packets in thousandths are read and written as bits: a unit of packets is a thousand times the unit
/// of bits beside it.
const UNITS: [(&str, &str); 3] = [("Mpps", "Gbit"), ("kpps", "Mbit"), ("pps", "Kbit")];

impl Rate {
    pub const fn pps(pps: u64) -> Self {
        Self::Packets { milli_pps: pps.saturating_mul(1000) }
    }

    /// Datagrams per second with frames of `frame_bytes` on average, rounded up.
    pub fn packets_per_s(self, frame_bytes: u64) -> u64 {
        match self {
            Self::Packets { milli_pps } => milli_pps.div_ceil(1000),
            Self::Bits { bits_per_s } => bits_per_s.div_ceil(8 * frame_bytes.max(1)),
            Self::Max => u64::MAX,
        }
    }

    /// Bits of frames per second, likewise.
    pub fn bits_per_s(self, frame_bytes: u64) -> u64 {
        match self {
            Self::Packets { milli_pps } => {
                let bits = u128::from(milli_pps) * 8 * u128::from(frame_bytes) / 1000;
                u64::try_from(bits).unwrap_or(u64::MAX)
            }
            Self::Bits { bits_per_s } => bits_per_s,
            Self::Max => u64::MAX,
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "\"{text}\" is not a rate: expected a number and pps, kpps, Mpps, or bit, Kbit, \
                 Mbit, Gbit, e.g. \"10kpps\" or \"10Mbit\", or \"max\""
            )
        };
        if text == "max" {
            return Ok(Self::Max);
        }
        let packets = UNITS.iter().find_map(|(pps, bit)| Some((text.strip_suffix(pps)?, bit)));
        let number =
            packets.map_or_else(|| text.to_owned(), |(number, bit)| format!("{number}{bit}"));
        let units::Rate { bits_per_s } = number.parse().map_err(|_| invalid())?;
        let rate = match packets {
            Some(_) => Self::Packets { milli_pps: bits_per_s },
            None => Self::Bits { bits_per_s },
        };
        match rate {
            Self::Packets { milli_pps: 0 } | Self::Bits { bits_per_s: 0 } => {
                Err("nothing would ever be sent: expected more than 0, e.g. \"1pps\"".to_owned())
            }
            rate => Ok(rate),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Max => f.pad("max"),
            Self::Bits { bits_per_s } => units::Rate::new(bits_per_s).fmt(f),
            Self::Packets { milli_pps: milli @ 0..1000 } => {
                f.pad(&format!("{}pps", milli as f64 / 1000.0))
            }
            Self::Packets { milli_pps } => {
                let bits = units::Rate::new(milli_pps).to_string();
                f.pad(&UNITS.iter().fold(bits, |text, (pps, bit)| text.replace(bit, pps)))
            }
        }
    }
}

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
