//! Rates, sizes and times as people write them in the configuration. Invariant: parsing is exact (no floating
//! point), and what `Display` writes parses to the same value. Every error says what would have been valid.

use std::fmt;
use std::str::FromStr;

const NS_PER_S: u128 = 1_000_000_000;

/// Units in ascending order, each a whole multiple of the first.
type Units = &'static [(&'static str, u64)];

const RATE: Units = &[("bit", 1), ("Kbit", 1_000), ("Mbit", 1_000_000), ("Gbit", 1_000_000_000)];
const SIZE: Units = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const SPAN: Units = &[("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];

/// Why a text is not a valid value, and what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("\"{text}\" is not {kind}")]
    Syntax { text: String, kind: &'static str },
    #[error(
        "\"{text}\" is not a whole number of {smallest}: write fewer decimals or a smaller unit"
    )]
    Fraction { text: String, smallest: &'static str },
    #[error("\"{text}\" is too large: the largest is {max}")]
    TooLarge { text: String, max: String },
}

impl Rate {
    /// How long `bytes` occupy a link of this rate; `u64::MAX` at rate 0.
    pub fn time_ns(self, bytes: u64) -> u64 {
        (u128::from(bytes) * 8 * NS_PER_S)
            .checked_div(u128::from(self.bits_per_s))
            .map_or(u64::MAX, |ns| u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        Self::from_nanos(span.ns)
    }
}

/// Splits `digits[.digits]unit`; `None` if the text has another form.
fn parts(text: &str, units: Units) -> Option<(&str, &str, u64)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && !fraction.contains('.') => {
            (whole, fraction)
        }
        Some(_) => return None,
        None => (number, ""),
    };
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    if whole.is_empty() { None } else { Some((whole, fraction, *factor)) }
}

fn parse(
    text: &str,
    units: Units,
    kind: &'static str,
    smallest: &'static str,
) -> Result<u64, UnitError> {
    let Some((whole, fraction, factor)) = parts(text, units) else {
        return Err(UnitError::Syntax { text: text.to_owned(), kind });
    };
    let too_large = || UnitError::TooLarge {
        text: text.to_owned(),
        max: format!("{}{}", u64::MAX, units.first().map_or("", |u| u.0)),
    };
    let fraction = fraction.trim_end_matches('0');
    // 10^18 * 2^30 fits in a u128. More than 18 decimals can name less than the smallest unit.
    if fraction.len() > 18 {
        return Err(UnitError::Fraction { text: text.to_owned(), smallest });
    }
    let ten = 10u128.pow(fraction.len() as u32);
    let whole: u128 = whole.parse::<u64>().map_err(|_| too_large())?.into();
    let decimals: u128 =
        if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| too_large())? };
    let scaled = decimals * u128::from(factor);
    if !scaled.is_multiple_of(ten) {
        return Err(UnitError::Fraction { text: text.to_owned(), smallest });
    }
    u64::try_from(whole * u128::from(factor) + scaled / ten).map_err(|_| too_large())
}

/// Writes the value in the largest unit that is not above it and needs at most `decimals` decimals.
fn write(f: &mut fmt::Formatter<'_>, value: u64, units: Units, decimals: u32) -> fmt::Result {
    let step = 10u64.pow(decimals);
    let fits = |factor: u64| {
        factor <= value && (u128::from(value) * u128::from(step)).is_multiple_of(factor.into())
    };
    let (name, factor) = units
        .iter()
        .rev()
        .find(|(_, factor)| fits(*factor))
        .or(units.first())
        .copied()
        .unwrap_or(("", 1));
    let rest = u128::from(value % factor) * u128::from(step) / u128::from(factor);
    let text = if rest == 0 {
        format!("{}{name}", value / factor)
    } else {
        let places = format!("{rest:0width$}", width = decimals as usize);
        format!("{}.{}{name}", value / factor, places.trim_end_matches('0'))
    };
    f.pad(&text)
}

/// Defines quantities: the field, its units, the decimals that `Display` writes at most, the smallest unit in
/// words, and what a text may be.
macro_rules! quantities {
    ($(
        $(#[$doc:meta])*
        $kind:ident.$field:ident: $units:ident, $decimals:literal, $smallest:literal, $valid:literal;
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $kind {
            pub $field: u64,
        }

        impl $kind {
            pub const fn new($field: u64) -> Self {
                Self { $field }
            }
        }

        impl FromStr for $kind {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<Self, UnitError> {
                parse(text, $units, $valid, $smallest).map(Self::new)
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(f, self.$field, $units, $decimals)
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    )+};
}

quantities! {
    /// A rate in bits per second on the wire.
    Rate.bits_per_s: RATE, 3, "bits per second",
        "a rate: expected a number and bit, Kbit, Mbit, Gbit (decimal), e.g. \"100Mbit\"";
    /// A number of bytes.
    ByteSize.bytes: SIZE, 1, "bytes",
        "a size: expected a number and B, KiB, MiB, GiB (1KiB is 1024B), e.g. \"512KiB\"";
    /// A duration.
    Span.ns: SPAN, 3, "nanoseconds", "a time: expected a number and ns, us, ms, s, e.g. \"200us\"";
}

#[cfg(test)]
mod tests;
