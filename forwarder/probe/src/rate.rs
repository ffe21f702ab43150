//! The sending rate. Invariant: parsing is exact, and what `Display` writes parses to the same rate.

use std::fmt;
use std::str::FromStr;

/// Ethernet, UDP, and IPv4 or IPv6 without options: the bytes of a frame beside its payload.
#[must_use]
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

const UNITS: [(&str, u64); 3] = [("pps", 1_000), ("kpps", 1_000_000), ("Mpps", 1_000_000_000)];

impl Rate {
    #[must_use]
    pub const fn pps(pps: u64) -> Self {
        Self::Packets { milli_pps: pps.saturating_mul(1000) }
    }

    /// Datagrams per second with frames of `frame_bytes` on average, rounded up.
    #[must_use]
    pub fn packets_per_s(self, frame_bytes: u64) -> u64 {
        match self {
            Self::Packets { milli_pps } => milli_pps.div_ceil(1000),
            Self::Bits { bits_per_s } => bits_per_s.div_ceil(8 * frame_bytes.max(1)),
            Self::Max => u64::MAX,
        }
    }

    /// Bits of frames per second, likewise.
    #[must_use]
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
        let rate = if text.ends_with("pps") {
            Self::Packets { milli_pps: milli(text).ok_or_else(invalid)? }
        } else {
            let rate: weir_core::units::Rate = text.parse().map_err(|_| invalid())?;
            Self::Bits { bits_per_s: rate.bits_per_s }
        };
        match rate {
            Self::Packets { milli_pps: 0 } | Self::Bits { bits_per_s: 0 } => {
                Err("nothing would ever be sent: expected more than 0, e.g. \"1pps\"".to_owned())
            }
            rate => Ok(rate),
        }
    }
}

/// `digits[.digits]unit` in thousandths per second, exactly.
fn milli(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if decimals.is_empty() || decimals.len() > 9 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ten = 10_u64.pow(decimals.len() as u32);
    let rest = decimals.parse::<u64>().ok()?.checked_mul(*factor)?;
    if !rest.is_multiple_of(ten) {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(*factor)?.checked_add(rest / ten)
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Max => f.pad("max"),
            Self::Bits { bits_per_s } => weir_core::units::Rate::new(bits_per_s).fmt(f),
            Self::Packets { milli_pps } => {
                // The largest unit that needs at most three decimals.
                let fits =
                    |factor: u64| factor <= milli_pps && milli_pps.is_multiple_of(factor / 1000);
                let (name, factor) =
                    UNITS.into_iter().rev().find(|unit| fits(unit.1)).unwrap_or(("pps", 1000));
                let rest = milli_pps % factor / (factor / 1000);
                let text = match rest {
                    0 => format!("{}{name}", milli_pps / factor),
                    rest => {
                        let places = format!("{rest:03}");
                        format!("{}.{}{name}", milli_pps / factor, places.trim_end_matches('0'))
                    }
                };
                f.pad(&text)
            }
        }
    }
}

#[cfg(test)]
mod tests;
