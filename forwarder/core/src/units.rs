//! Rates, sizes and times as people write them in the configuration.
//! Invariant: parsing is exact (no floating point), and what `Display` writes parses to the same
//! value. Every error says what would have been valid.

use std::fmt;
use std::str::FromStr;

const NS_PER_S: u128 = 1_000_000_000;

/// Units in ascending order, each a whole multiple of the first.
type Units = &'static [(&'static str, u64)];

const RATE: Units = &[("bit", 1), ("Kbit", 1_000), ("Mbit", 1_000_000), ("Gbit", 1_000_000_000)];
const SIZE: Units = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const SPAN: Units = &[("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];

/// Why a text is not a value of its kind, and what would be one.
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

/// Bits per second on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Rate {
    pub bits_per_s: u64,
}

impl Rate {
    #[must_use]
    pub const fn new(bits_per_s: u64) -> Self {
        Self { bits_per_s }
    }

    /// How long `bytes` occupy a link of this rate; for ever at rate 0.
    #[must_use]
    pub fn time_ns(self, bytes: u64) -> u64 {
        (u128::from(bytes) * 8 * NS_PER_S)
            .checked_div(u128::from(self.bits_per_s))
            .map_or(u64::MAX, |ns| u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ByteSize {
    pub bytes: u64,
}

impl ByteSize {
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self { bytes }
    }
}

/// A length of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span {
    pub ns: u64,
}

impl Span {
    #[must_use]
    pub const fn new(ns: u64) -> Self {
        Self { ns }
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        Self::from_nanos(span.ns)
    }
}

/// `digits[.digits]unit`, exactly; `None` where it is something else.
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
    // 10^18 * 2^30 fits u128 with room; more decimals than that name less than any smallest unit.
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

/// In the largest unit that needs at most `decimals` places and is not above the value.
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

impl FromStr for Rate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let kind =
            "a rate: expected a number and bit, Kbit, Mbit, Gbit (decimal), e.g. \"100Mbit\"";
        parse(text, RATE, kind, "bits per second").map(Self::new)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let kind =
            "a size: expected a number and B, KiB, MiB, GiB (1KiB is 1024B), e.g. \"512KiB\"";
        parse(text, SIZE, kind, "bytes").map(Self::new)
    }
}

impl FromStr for Span {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let kind = "a time: expected a number and ns, us, ms, s, e.g. \"200us\"";
        parse(text, SPAN, kind, "nanoseconds").map(Self::new)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.bits_per_s, RATE, 3)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.bytes, SIZE, 1)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.ns, SPAN, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(text: &str) -> Result<u64, String> {
        text.parse::<Rate>().map(|r| r.bits_per_s).map_err(|e| e.to_string())
    }
    fn size(text: &str) -> Result<u64, String> {
        text.parse::<ByteSize>().map(|s| s.bytes).map_err(|e| e.to_string())
    }
    fn span(text: &str) -> Result<u64, String> {
        text.parse::<Span>().map(|s| s.ns).map_err(|e| e.to_string())
    }

    #[test]
    fn values() {
        assert_eq!(rate("100Mbit"), Ok(100_000_000));
        assert_eq!(rate("1.5Gbit"), Ok(1_500_000_000));
        assert_eq!(rate("1.50Gbit"), Ok(1_500_000_000));
        assert_eq!(rate("800Kbit"), Ok(800_000));
        assert_eq!(rate("9600bit"), Ok(9600));
        assert_eq!(size("4KiB"), Ok(4096));
        assert_eq!(size("1.5KiB"), Ok(1536));
        assert_eq!(size("1500B"), Ok(1500));
        assert_eq!(size("0.0009765625KiB"), Ok(1));
        assert_eq!(span("200us"), Ok(200_000));
        assert_eq!(span("10ms"), Ok(10_000_000));
        assert_eq!(span("1s"), Ok(1_000_000_000));
    }

    #[test]
    fn texts() {
        for text in [
            "0bit",
            "1bit",
            "9600bit",
            "9.601Kbit",
            "100Mbit",
            "1.5Gbit",
            "1234.567Kbit",
            "100Gbit",
        ] {
            let rate = text.parse::<Rate>().unwrap();
            assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }
        assert_eq!(Rate::new(1_500_000_000).to_string(), "1.5Gbit");
        assert_eq!(Rate::new(9_600).to_string(), "9.6Kbit");
        assert_eq!(Rate::new(1_234_567).to_string(), "1234.567Kbit");
        assert_eq!(Rate::new(0).to_string(), "0bit");
        assert_eq!(ByteSize::new(524_288).to_string(), "512KiB");
        assert_eq!(ByteSize::new(1500).to_string(), "1500B");
        assert_eq!(Span::new(200_000).to_string(), "200us");
        assert_eq!(Span::new(1_500_000).to_string(), "1.5ms");
        assert_eq!(format!("[{:>8}]", Span::new(10)), "[    10ns]");
    }

    #[test]
    fn errors_say_what_would_be_valid() {
        assert_eq!(
            rate("100Mbits").unwrap_err(),
            "\"100Mbits\" is not a rate: expected a number and bit, Kbit, Mbit, Gbit (decimal), e.g. \"100Mbit\""
        );
        for text in [
            "",
            "Mbit",
            "100",
            "-1Mbit",
            "1..5Mbit",
            "1.Mbit",
            ".5Mbit",
            "1 Mbit",
            "100mbit",
            "1e3bit",
            "1.5.1Mbit",
        ] {
            assert!(rate(text).unwrap_err().contains("e.g. \"100Mbit\""), "{text}");
        }
        assert!(size("4KB").unwrap_err().contains("e.g. \"512KiB\""));
        assert!(span("5m").unwrap_err().contains("e.g. \"200us\""));
        assert!(rate("0.5bit").unwrap_err().contains("whole number of bits per second"));
        assert!(
            span("0.0000000000000000001s").unwrap_err().contains("whole number of nanoseconds")
        );
        assert!(rate("18446744074Gbit").unwrap_err().contains("too large"));
        assert!(
            rate("99999999999999999999bit")
                .unwrap_err()
                .contains("the largest is 18446744073709551615bit")
        );
    }

    #[test]
    fn time_on_the_link() {
        assert_eq!(Rate::new(1_000_000_000).time_ns(1500), 12_000);
        assert_eq!(Rate::new(0).time_ns(1), u64::MAX);
        assert_eq!(Rate::new(1).time_ns(u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn round_trips(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            prop_assert_eq!(rate(&Rate::new(value).to_string()), Ok(value));
            prop_assert_eq!(size(&ByteSize::new(value).to_string()), Ok(value));
            prop_assert_eq!(span(&Span::new(value).to_string()), Ok(value));
        }

        #[test]
        fn no_text_panics(text in "[0-9.]{0,30}[a-zA-Z]{0,4}") {
            let _ = (rate(&text), size(&text), span(&text));
        }
    }
}
