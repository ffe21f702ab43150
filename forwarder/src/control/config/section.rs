//! One table of the file, read key by key: what is missing, mistyped or unknown is collected
//! instead of ending the reading. Invariant: a value is either valid or has left a problem.

use std::{fmt::Display, ops::Range, str::FromStr};

use clap::ValueEnum;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use weir_core::units::UnitError;

use super::{problem::Problems, suggest::nearest};
use crate::control::plan::{name_of, names_of};

/// Why a value is refused.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) wrong: String,
    pub(super) valid: String,
}

pub(super) fn fault<T>(wrong: impl Into<String>, valid: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { wrong: wrong.into(), valid: valid.into() })
}

/// A value that was written in the file, and where.
#[derive(Debug)]
pub(super) struct Field<T> {
    pub(super) key: &'static str,
    pub(super) span: Range<usize>,
    pub(super) value: T,
}

#[derive(Debug)]
pub(super) struct Section<'t> {
    name: &'static str,
    /// The table's header, for what is missing in it.
    pub(super) span: Range<usize>,
    table: &'t DeTable<'t>,
}

impl<'t> Section<'t> {
    /// Refuses every key that is not one of `keys`.
    pub(super) fn open(
        problems: &mut Problems<'_>,
        name: &'static str,
        span: Range<usize>,
        table: &'t DeTable<'t>,
        keys: &[&str],
    ) -> Self {
        for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
            let word = key.get_ref();
            let wrong = match nearest(word, keys) {
                Some(near) => format!("unknown key; did you mean `{near}`?"),
                None => "unknown key".to_owned(),
            };
            let path = if name.is_empty() { word.to_string() } else { format!("{name}.{word}") };
            problems.add(&key.span(), path, wrong, format!("valid: {}", keys.join(", ")));
        }
        Self { name, span, table }
    }

    pub(super) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of a key, if it is there and valid.
    pub(super) fn read<T>(
        &self,
        problems: &mut Problems<'_>,
        key: &'static str,
        read: impl FnOnce(&Spanned<DeValue<'_>>) -> Result<T, Fault>,
    ) -> Option<Field<T>> {
        let value = self.table.get(key)?;
        match read(value) {
            Ok(read) => Some(Field { key, span: value.span(), value: read }),
            Err(fault) => {
                problems.add(&value.span(), self.path(key), fault.wrong, fault.valid);
                None
            }
        }
    }

    /// The value of a key, or the default when it is absent (or wrong: the problem is recorded).
    pub(super) fn read_or<T>(
        &self,
        problems: &mut Problems<'_>,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Spanned<DeValue<'_>>) -> Result<T, Fault>,
    ) -> T {
        self.read(problems, key, read).map_or(default, |field| field.value)
    }

    /// Refuses a value that is valid, but would be a promise this version does not keep.
    pub(super) fn not_yet<T>(
        &self,
        problems: &mut Problems<'_>,
        field: Option<&Field<T>>,
        what: &str,
        valid: &str,
    ) {
        if let Some(field) = field {
            let (path, wrong) = (self.path(field.key), format!("not yet: {what}"));
            problems.add(&field.span, path, wrong, format!("valid: {valid}"));
        }
    }

    pub(super) fn wrong<T>(
        &self,
        problems: &mut Problems<'_>,
        field: &Field<T>,
        wrong: impl Into<String>,
        valid: impl Into<String>,
    ) {
        problems.add(&field.span, self.path(field.key), wrong, valid);
    }
}

/// How an error names the value it refuses.
pub(super) fn shown(value: &DeValue<'_>) -> String {
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

pub(super) fn text<'v>(value: &'v DeValue<'_>, valid: &str) -> Result<&'v str, Fault> {
    match value {
        DeValue::String(text) => Ok(text),
        DeValue::Integer(_) | DeValue::Float(_) => {
            fault(format!("{} is a bare number, not text in quotes", shown(value)), valid)
        }
        other => fault(format!("{} is not text in quotes", shown(other)), valid),
    }
}

pub(super) fn choice<T: ValueEnum>(value: &DeValue<'_>) -> Result<T, Fault> {
    let valid = format!("valid: {}", names_of::<T>());
    let word = text(value, &valid)?;
    let names: Vec<String> = T::value_variants().iter().map(name_of).collect();
    match names.iter().position(|name| name == word).and_then(|i| T::value_variants().get(i)) {
        Some(choice) => Ok(choice.clone()),
        None => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            match nearest(word, &names) {
                Some(near) => fault(format!("unknown \"{word}\"; did you mean \"{near}\"?"), valid),
                None => fault(format!("unknown \"{word}\""), valid),
            }
        }
    }
}

pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, Fault> {
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        other => fault(format!("{} is neither true nor false", shown(other)), "valid: true, false"),
    }
}

pub(super) fn integer(value: &DeValue<'_>, least: u64, most: u64) -> Result<u64, Fault> {
    let valid = format!("valid: a whole number from {least} to {most}");
    let DeValue::Integer(number) = value else {
        return fault(format!("{} is not a whole number", shown(value)), valid);
    };
    match u64::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => fault(format!("{number} is out of range"), valid),
    }
}

/// More than 0 and less than 1.
pub(super) fn fraction(value: &DeValue<'_>) -> Result<f64, Fault> {
    let valid = "valid: a fraction between 0 and 1, such as 0.99";
    let DeValue::Float(number) = value else {
        return fault(format!("{} is not a fraction", shown(value)), valid);
    };
    match number.as_str().parse::<f64>() {
        Ok(number) if number > 0.0 && number < 1.0 => Ok(number),
        _ => fault(format!("{number} is out of range"), valid),
    }
}

/// A quantity with its unit, between two others.
pub(super) fn quantity<T>(value: &DeValue<'_>, kind: &Kind<T>) -> Result<T, Fault>
where
    T: FromStr<Err = UnitError> + Copy + Display,
{
    let valid = format!("valid: {}", kind.valid);
    let text = text(value, &valid)?;
    match text.parse::<T>() {
        Ok(value) if (kind.within)(value) => Ok(value),
        Ok(value) => fault(format!("{value} is out of range"), valid),
        Err(UnitError::Syntax { .. }) => fault(format!("\"{text}\" is not {}", kind.what), valid),
        Err(error) => fault(error.to_string(), valid),
    }
}

/// What a quantity must be: the word for it, what is in range, and how to say so.
pub(super) struct Kind<T> {
    pub(super) what: &'static str,
    pub(super) valid: &'static str,
    pub(super) within: fn(T) -> bool,
}

/// A list whose items are read one by one; the first bad item is reported where it stands.
pub(super) fn list<T>(
    problems: &mut Problems<'_>,
    section: &Section<'_>,
    key: &'static str,
    valid: &str,
    most: usize,
    read: impl Fn(&DeValue<'_>) -> Result<T, Fault>,
) -> Option<Field<Vec<Field<T>>>> {
    let value = section.table.get(key)?;
    let DeValue::Array(items) = value.get_ref() else {
        let wrong = format!("{} is not a list", shown(value.get_ref()));
        problems.add(&value.span(), section.path(key), wrong, valid);
        return None;
    };
    if items.len() > most {
        let wrong = format!("{} items are too many", items.len());
        let valid = format!("valid: at most {most}");
        problems.add(&value.span(), section.path(key), wrong, valid);
        return None;
    }
    let mut list = Vec::with_capacity(items.len());
    for item in items.iter() {
        match read(item.get_ref()) {
            Ok(value) => list.push(Field { key, span: item.span(), value }),
            Err(fault) => problems.add(&item.span(), section.path(key), fault.wrong, fault.valid),
        }
    }
    // A list with a bad item is no value: what follows from it would be a false problem.
    (list.len() == items.len()).then(|| Field { key, span: value.span(), value: list })
}
