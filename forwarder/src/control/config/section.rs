//! One table, read key by key: what is missing, mistyped or unknown is collected instead of ending
//! the reading. Invariant: a value is either valid or has left a problem.

use std::{fmt::Display, ops::Range, str::FromStr};

use weir_core::{Choice, units::UnitError};

use super::{
    node::{Node, Table, Value},
    problem::Problems,
    suggest::nearest,
};

/// Why a value is refused.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) wrong: String,
    pub(super) valid: String,
}

pub(super) fn fault<T>(wrong: impl Into<String>, valid: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { wrong: wrong.into(), valid: valid.into() })
}

/// A value that was written, and where.
#[derive(Clone, Debug)]
pub(super) struct Field<T> {
    pub(super) key: &'static str,
    pub(super) span: Range<usize>,
    pub(super) value: T,
}

/// The keys of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pub(super) valid: &'static [&'static str],
    /// Keys of the file that a document lacks, because they cannot change while weir runs.
    pub(super) fixed: &'static [&'static str],
}

impl Keys {
    pub(super) const fn of(valid: &'static [&'static str]) -> Self {
        Self { valid, fixed: &[] }
    }
}

#[derive(Debug)]
pub(super) struct Section<'t> {
    name: String,
    /// The table's header, for what is missing in it.
    pub(super) span: Range<usize>,
    table: &'t Table,
    keys: Keys,
}

impl<'t> Section<'t> {
    /// Refuses every key that is not one of `keys`.
    pub(super) fn open(
        problems: &mut Problems<'_>,
        name: impl Into<String>,
        span: Range<usize>,
        table: &'t Table,
        keys: Keys,
    ) -> Self {
        let section = Self { name: name.into(), span, table, keys };
        for (word, entry) in table.iter().filter(|(word, _)| !keys.valid.contains(word)) {
            let wrong = if keys.fixed.contains(&word) {
                "cannot be changed while weir runs".to_owned()
            } else {
                match nearest(word, keys.valid) {
                    Some(near) => format!("unknown key; did you mean `{near}`?"),
                    None => "unknown key".to_owned(),
                }
            };
            let valid = format!("valid: {}", keys.valid.join(", "));
            problems.add(&entry.span, section.path(word), wrong, valid);
        }
        section
    }

    pub(super) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A key that must not be here is a problem already, whatever its value.
    fn get(&self, key: &str) -> Option<&'t Node> {
        self.table.get(key).filter(|_| self.keys.valid.contains(&key))
    }

    /// The value of a key, if it is there and valid.
    pub(super) fn read<T>(
        &self,
        problems: &mut Problems<'_>,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Fault>,
    ) -> Option<Field<T>> {
        let node = self.get(key)?;
        match read(&node.value) {
            Ok(read) => Some(Field { key, span: node.span.clone(), value: read }),
            Err(fault) => {
                problems.add(&node.span, self.path(key), fault.wrong, fault.valid);
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
        read: impl FnOnce(&Value) -> Result<T, Fault>,
    ) -> T {
        self.read(problems, key, read).map_or(default, |field| field.value)
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

    /// A list whose items are read one by one; a bad item is reported where it stands.
    pub(super) fn list<T>(
        &self,
        problems: &mut Problems<'_>,
        key: &'static str,
        valid: &str,
        most: usize,
        read: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Option<Field<Vec<Field<T>>>> {
        let node = self.get(key)?;
        let Value::List(items) = &node.value else {
            let wrong = format!("{} is not a list", node.value.shown());
            problems.add(&node.span, self.path(key), wrong, valid);
            return None;
        };
        if items.len() > most {
            let wrong = format!("{} items are too many", items.len());
            problems.add(&node.span, self.path(key), wrong, format!("valid: at most {most}"));
            return None;
        }
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            match read(&item.value) {
                Ok(value) => list.push(Field { key, span: item.span.clone(), value }),
                Err(fault) => problems.add(&item.span, self.path(key), fault.wrong, fault.valid),
            }
        }
        // A list with a bad item is no value: what follows from it would be a false problem.
        (list.len() == items.len()).then(|| Field { key, span: node.span.clone(), value: list })
    }
}

pub(super) fn text<'v>(value: &'v Value, valid: &str) -> Result<&'v str, Fault> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Integer { .. } | Value::Float(_) => {
            fault(format!("{} is a bare number, not text in quotes", value.shown()), valid)
        }
        other => fault(format!("{} is not text in quotes", other.shown()), valid),
    }
}

pub(super) fn choice<T: Choice>(value: &Value) -> Result<T, Fault> {
    let valid = format!("valid: {}", T::names());
    let word = text(value, &valid)?;
    if let Some(choice) = T::of_name(word) {
        return Ok(choice);
    }
    let names: Vec<&str> = T::ALL.iter().map(|choice| choice.name()).collect();
    match nearest(word, &names) {
        Some(near) => fault(format!("unknown \"{word}\"; did you mean \"{near}\"?"), valid),
        None => fault(format!("unknown \"{word}\""), valid),
    }
}

pub(super) fn flag(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Flag(flag) => Ok(*flag),
        other => {
            fault(format!("{} is neither true nor false", other.shown()), "valid: true, false")
        }
    }
}

pub(super) fn integer(value: &Value, least: u64, most: u64) -> Result<u64, Fault> {
    let valid = format!("valid: a whole number from {least} to {most}");
    let Value::Integer { digits, radix } = value else {
        return fault(format!("{} is not a whole number", value.shown()), valid);
    };
    match u64::from_str_radix(digits, *radix) {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => fault(format!("{} is out of range", value.shown()), valid),
    }
}

/// More than 0 and less than 1.
pub(super) fn fraction(value: &Value) -> Result<f64, Fault> {
    let valid = "valid: a fraction between 0 and 1, such as 0.99";
    let Value::Float(number) = value else {
        return fault(format!("{} is not a fraction", value.shown()), valid);
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number < 1.0 => Ok(number),
        _ => fault(format!("{number} is out of range"), valid),
    }
}

/// A quantity with its unit, between two others.
pub(super) fn quantity<T>(value: &Value, kind: &Kind<T>) -> Result<T, Fault>
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
