//! The types of settings: how each is read from a file or a document and from a command's argument, and
//! how it is written. Invariant: what `json` writes is read as the same value.

mod names;

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use serde::Serialize;
use serde_json::Value as Json;
use toml::de::DeValue;
use weir_core::{
    ByteSize, Choice, Fallback, ForeignRules, Idle, Lane, Mode, Policy, Rate, Release, Reserved,
    Role, Span, units::UnitError,
};

use crate::{
    nearest,
    problem::{Fault, fault},
    setting::{Context, Kind, Node},
};

pub use self::names::{check_control, is_interface_name};

/// A type of settings.
pub trait Value: Clone + PartialEq + Serialize {
    /// The type of its bounds.
    type Range;

    fn kind(range: &Self::Range) -> Kind;
    fn read(
        node: &Node<'_>,
        range: &Self::Range,
        context: &Context<'_>,
    ) -> Result<Self, Vec<Fault>>;

    /// The document's value of a typed text; quantities stay as they were typed.
    fn of_text(text: &str) -> Result<Json, String> {
        Ok(text.into())
    }
}

/// The document's value. (Only a path that is not UTF-8 has none.)
pub(crate) fn json(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

/// A setting that may have no value.
impl<T: Value> Value for Option<T> {
    type Range = T::Range;

    fn kind(range: &T::Range) -> Kind {
        T::kind(range)
    }

    fn read(node: &Node<'_>, range: &T::Range, context: &Context<'_>) -> Result<Self, Vec<Fault>> {
        T::read(node, range, context).map(Some)
    }

    fn of_text(text: &str) -> Result<Json, String> {
        T::of_text(text)
    }
}

impl Value for u32 {
    type Range = RangeInclusive<Self>;

    fn kind(range: &Self::Range) -> Kind {
        let (least, most) = (range.start(), range.end());
        Kind {
            range: format!("{least} to {most}"),
            ..Kind::new("N|none", format!("a whole number from {least} to {most}"))
        }
    }

    fn read(node: &Node<'_>, range: &Self::Range, _: &Context<'_>) -> Result<Self, Vec<Fault>> {
        let valid = valid(Self::kind(range));
        match Self::try_from(whole(node.get_ref(), &valid)?) {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => fault(format!("{} is out of range", shown(node.get_ref())), valid),
        }
    }

    fn of_text(text: &str) -> Result<Json, String> {
        let number = text.parse::<u64>();
        number.map(Json::from).map_err(|_| "expected a whole number, such as 4".to_owned())
    }
}

impl Value for bool {
    type Range = ();

    fn kind((): &()) -> Kind {
        Kind::new("true|false|none", "true, false")
    }

    fn read(node: &Node<'_>, (): &(), _: &Context<'_>) -> Result<Self, Vec<Fault>> {
        match node.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            other => {
                fault(format!("{} is neither true nor false", shown(other)), valid(Self::kind(&())))
            }
        }
    }

    fn of_text(text: &str) -> Result<Json, String> {
        let flag = text.parse::<Self>();
        flag.map(Json::from).map_err(|_| "expected true or false".to_owned())
    }
}

/// More than 0 and less than 1.
impl Value for f64 {
    type Range = ();

    fn kind((): &()) -> Kind {
        Kind::new("FRACTION|none", "a fraction between 0 and 1, such as 0.99")
    }

    fn read(node: &Node<'_>, (): &(), _: &Context<'_>) -> Result<Self, Vec<Fault>> {
        let valid = valid(Self::kind(&()));
        let DeValue::Float(number) = node.get_ref() else {
            return fault(format!("{} is not a fraction", shown(node.get_ref())), valid);
        };
        match number.as_str().parse::<Self>() {
            Ok(number) if number > 0.0 && number < 1.0 => Ok(number),
            _ => fault(format!("{number} is out of range"), valid),
        }
    }

    fn of_text(text: &str) -> Result<Json, String> {
        let number = text.parse::<Self>().ok().and_then(serde_json::Number::from_f64);
        number.map(Json::Number).ok_or("expected a fraction, such as 0.99".to_owned())
    }
}

/// Settings written as text in quotes: the type of their bounds, their kind, how a text is read.
macro_rules! texts {
    ($(
        $(#[$doc:meta])*
        $type:ty, in $range:ty: $kind:expr, $read:expr;
    )+) => {$(
        $(#[$doc])*
        impl Value for $type {
            type Range = $range;

            fn kind(range: &$range) -> Kind {
                let kind: fn(&$range) -> Kind = $kind;
                kind(range)
            }

            fn read(node: &Node<'_>, range: &$range, _: &Context<'_>) -> Result<Self, Vec<Fault>> {
                let valid = valid(Self::kind(range));
                let read: fn(&str, &$range) -> Result<Self, String> = $read;
                let text = text(node.get_ref(), &valid)?;
                read(text, range).or_else(|wrong| fault(wrong, valid))
            }

            fn of_text(text: &str) -> Result<Json, String> {
                let parsed = text.parse::<Self>();
                parsed.map(|_| text.into()).map_err(|error| error.to_string())
            }
        }
    )+};
}
pub(crate) use texts;

texts! {
    Rate, in (): |()| {
        Kind::new("RATE|none", "a number and bit, Kbit, Mbit or Gbit, such as \"100Mbit\"")
    },
    |text, ()| quantity(text, "a rate", |rate: &Self| rate.bits_per_s > 0);

    ByteSize, in RangeInclusive<Self>: |range| {
        let large = range.end().bytes >= 1 << 30;
        let units = if large { "B, KiB, MiB or GiB" } else { "B, KiB or MiB" };
        quantities("SIZE|none", units, range)
    },
    |text, range| quantity(text, "a size", |size| range.contains(size));

    Span, in RangeInclusive<Self>: |range| quantities("TIME|none", "ns, us, ms or s", range),
    |text, range| quantity(text, "a time", |time| range.contains(time));

    Fallback, in (): |()| choices::<Self>("WHAT|none"), |text, ()| choice(text);
    ForeignRules, in (): |()| choices::<Self>("WHAT|none"), |text, ()| choice(text);
    Idle, in (): |()| choices::<Self>("HOW|none"), |text, ()| choice(text);
    Lane, in (): |()| choices::<Self>("LANE|none"), |text, ()| choice(text);
    Mode, in (): |()| choices::<Self>("MODE|none"), |text, ()| choice(text);
    Policy, in (): |()| choices::<Self>("POLICY|none"), |text, ()| choice(text);
    Release, in (): |()| choices::<Self>("POLICY|none"), |text, ()| choice(text);
    Reserved, in (): |()| choices::<Self>("WHAT|none"), |text, ()| choice(text);
    Role, in (): |()| choices::<Self>("ROLE|none"), |text, ()| choice(text);
}

fn choices<T: Choice>(value_name: &'static str) -> Kind {
    let names: Vec<&str> = T::ALL.iter().map(|choice| choice.name()).collect();
    let words = match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => names.join(""),
    };
    Kind { names: words, ..Kind::new(value_name, T::names()) }
}

fn choice<T: Choice + Display>(word: &str) -> Result<T, String> {
    let Some(choice) = T::of_name(word) else {
        let names: Vec<&str> = T::ALL.iter().map(|choice| choice.name()).collect();
        return Err(match nearest(word, &names) {
            Some(near) => format!("unknown \"{word}\"; did you mean \"{near}\"?"),
            None => format!("unknown \"{word}\""),
        });
    };
    if choice.name() != word {
        tracing::warn!("\"{word}\" is now called \"{choice}\"");
    }
    Ok(choice)
}

fn quantities<T: Display>(
    value_name: &'static str,
    units: &str,
    range: &RangeInclusive<T>,
) -> Kind {
    let (least, most) = (range.start(), range.end());
    let valid = format!("a number and {units}, from \"{least}\" to \"{most}\"");
    Kind { range: format!("{least} to {most}"), ..Kind::new(value_name, valid) }
}

/// A number with its unit.
fn quantity<T: FromStr<Err = UnitError> + Display>(
    text: &str,
    what: &str,
    within: impl FnOnce(&T) -> bool,
) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(value) if within(&value) => Ok(value),
        Ok(value) => Err(format!("{value} is out of range")),
        Err(UnitError::Syntax { .. }) => Err(format!("\"{text}\" is not {what}")),
        Err(error) => Err(error.to_string()),
    }
}

/// How an error shows the refused value.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn valid(kind: Kind) -> String {
    format!("valid: {}", kind.valid)
}

fn text<'v>(value: &'v DeValue<'_>, valid: &str) -> Result<&'v str, Vec<Fault>> {
    match value {
        DeValue::String(text) => Ok(text),
        DeValue::Integer(_) | DeValue::Float(_) => {
            fault(format!("{} is a bare number, not text in quotes", shown(value)), valid)
        }
        other => fault(format!("{} is not text in quotes", shown(other)), valid),
    }
}

fn whole(value: &DeValue<'_>, valid: &str) -> Result<u64, Vec<Fault>> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .or_else(|_| fault(format!("{number} is out of range"), valid)),
        other => fault(format!("{} is not a whole number", shown(other)), valid),
    }
}
