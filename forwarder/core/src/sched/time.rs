//! Times and rates with the precision that small packets on fast links need. Invariant: rounding is up, so
//! that rounding never gives a vif more than its rate allows, and costs less than 1/64 ns a charge.

use crate::Rate;

/// Fraction bits of a nanosecond in a `Time`; with these, its range is nine years.
const SUB_NS_BITS: u32 = 6;

/// A point in time or a duration, in 1/64 ns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Time(pub(super) u64);

impl Time {
    #[inline]
    pub(super) const fn at(ns: u64) -> Self {
        let largest = u64::MAX >> SUB_NS_BITS;
        Self((if ns < largest { ns } else { largest }) << SUB_NS_BITS)
    }

    #[inline]
    pub(super) const fn ceil_ns(self) -> u64 {
        self.0.div_ceil(1 << SUB_NS_BITS)
    }

    #[inline]
    pub(super) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// How much later it is than `other`; zero if it is not later.
    #[inline]
    pub(super) const fn since(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The time that as many bytes take at another rate.
    pub(super) fn rescaled(self, from: PerByte, to: PerByte) -> Self {
        let scaled = u128::from(self.0) * u128::from(to.0);
        let scaled = scaled.checked_div(u128::from(from.0)).unwrap_or(0);
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

/// The time that a byte takes, in 2^-20 ns; zero where there is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct PerByte(pub(super) u64);

impl PerByte {
    /// More fraction bits than in a `Time`: at 100 Gb/s a byte takes 0.08 ns.
    pub(super) const BITS: u32 = 20;

    pub(super) fn of(rate: Rate) -> Self {
        let bits = 8_000_000_000u128 << Self::BITS;
        let rate = u128::from(rate.bits_per_s);
        // At rate 0 a byte takes forever.
        Self(if rate == 0 {
            u64::MAX
        } else {
            u64::try_from(bits.div_ceil(rate)).unwrap_or(u64::MAX)
        })
    }

    #[inline]
    pub(super) fn time(self, bytes: u64) -> Time {
        let fine = u128::from(bytes) * u128::from(self.0);
        let time = fine.div_ceil(1 << (Self::BITS - SUB_NS_BITS));
        Time(u64::try_from(time).unwrap_or(u64::MAX))
    }

    /// The time to refund for `bytes`: rounded down, unlike `time`.
    #[inline]
    pub(super) fn time_back(self, bytes: u64) -> Time {
        let fine = u128::from(bytes) * u128::from(self.0);
        Time(u64::try_from(fine >> (Self::BITS - SUB_NS_BITS)).unwrap_or(u64::MAX))
    }
}
