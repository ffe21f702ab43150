//! Variables of a scene: `$x` (the varied quantity), `$seconds` (of the effort), and those of the variant,
//! which may use others. `"$size"` becomes the variable's value whatever its type, and `"${rate}Mbit"` is
//! replaced within the text. A text that then has only numbers, `+ - * /` and parentheses is a number, a
//! whole one if possible.
//!
//! Invariant: the result has no `$`; an unknown, recursive or unused variable is a mistake in the file.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::Variant;
use super::problem::{Checked, Problem, each, require};

const X: &str = "x";
const SECONDS: &str = "seconds";
/// Whole numbers up to this one are exact as floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) struct Variables<'a> {
    /// By name: the value, and its place in the file.
    known: BTreeMap<&'a str, (Value, String)>,
    used: BTreeSet<String>,
    /// Variables being filled in, the outermost first.
    open: Vec<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(variant: Option<(usize, &'a Variant)>, x: Option<f64>, seconds: f64) -> Self {
        let mut known = BTreeMap::new();
        if let Some((index, variant)) = variant {
            for (name, value) in &variant.set {
                let at = format!("variant.{index}.set.{name}");
                known.insert(name.as_str(), (value.clone(), at));
            }
        }
        known.insert(SECONDS, (number(seconds), String::new()));
        if let Some(x) = x {
            known.insert(X, (number(x), String::new()));
        }
        Self { known, used: BTreeSet::new(), open: Vec::new() }
    }

    /// A table with every variable filled in.
    pub(super) fn table(&mut self, table: &Table, at: &str) -> Checked<Table> {
        table
            .iter()
            .map(|(key, value)| Ok((key.clone(), self.value(value, &format!("{at}.{key}"))?)))
            .collect()
    }

    fn value(&mut self, value: &Value, at: &str) -> Checked<Value> {
        Ok(match value {
            Value::String(text) if text.contains('$') => self.text(text, at)?,
            Value::Array(items) => {
                let item = |(index, item)| self.value(item, &format!("{at}.{index}"));
                Value::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Value::Table(table) => Value::Table(self.table(table, at)?),
            other => other.clone(),
        })
    }

    fn text(&mut self, text: &str, at: &str) -> Checked<Value> {
        if let Some(name) = text.strip_prefix('$').filter(|name| is_name(name)) {
            return self.variable(name, at);
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            filled.push_str(before);
            let Some((name, behind)) = split_name(behind) else {
                let what = "no name follows a `$`: write `$name` or `${name}`";
                return Err(Problem::new(at, format!("in \"{text}\" {what}")));
            };
            match self.variable(name, at)? {
                Value::String(text) => filled.push_str(&text),
                Value::Integer(number) => filled.push_str(&number.to_string()),
                Value::Float(number) => filled.push_str(&number.to_string()),
                Value::Boolean(flag) => filled.push_str(&flag.to_string()),
                _ => {
                    let what = format!(
                        "${name} is a list or a table, which cannot be put into a text: use it as \
                         \"${name}\" alone"
                    );
                    return Err(Problem::new(at, what));
                }
            }
            rest = behind;
        }
        filled.push_str(rest);
        match value(&filled) {
            Some(value) if value.is_finite() => Ok(number(value)),
            Some(_) => {
                let what = format!("\"{text}\" comes to {filled}, which has no finite value");
                Err(Problem::new(at, what))
            }
            None => Ok(Value::String(filled)),
        }
    }

    fn variable(&mut self, name: &str, at: &str) -> Checked<Value> {
        let Some((value, place)) = self.known.get(name).cloned() else {
            return Err(Problem::new(at, self.unknown(name)));
        };
        if self.open.iter().any(|open| open == name) {
            let way = self.open.iter().map(String::as_str).chain([name]);
            let way: Vec<String> = way.map(|name| format!("${name}")).collect();
            let what =
                format!("a variable is made of itself, {}: break the circle", way.join(" of "));
            return Err(Problem::new(at, what));
        }
        self.used.insert(name.to_owned());
        self.open.push(name.to_owned());
        let filled = self.value(&value, &place);
        self.open.pop();
        filled
    }

    fn unknown(&self, name: &str) -> String {
        if name == X {
            return "$x is what `vary` varies, and there is no [vary]: add it".to_owned();
        }
        let known: Vec<String> = self.known.keys().map(|known| format!("${known}")).collect();
        format!(
            "there is no variable ${name}: set it in every variant, or use {}",
            known.join(", ")
        )
    }

    pub(super) fn uses_x(&self) -> bool {
        self.used.contains(X)
    }

    /// Called after all has been filled in: every variable of the variant must have been used.
    pub(super) fn all_used(&self) -> Checked {
        for (name, (_, at)) in self.known.iter().filter(|(_, (_, at))| !at.is_empty()) {
            let what = format!("nothing in [scene] uses ${name}: use it, or take it out");
            require(self.used.contains(*name), at, what)?;
        }
        Ok(())
    }
}

/// Checks the names that a variant sets.
pub(super) fn check_names(variants: &[Variant]) -> Checked {
    each("variant", variants, |variant, _| {
        variant.set.keys().try_for_each(|name| {
            let what =
                format!("\"{name}\" is no variable's name: use letters, digits and underscores");
            require(is_name(name), "set", what)?;
            let what = format!("${name} has its meaning already: choose another name");
            require(![X, SECONDS].contains(&name.as_str()), "set", what)
        })
    })
}

/// The value of sums and products of numbers, not finite after a division by zero; `None` of other text.
fn value(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || " .+-*/()".contains(c);
    if text.chars().all(plain) { exmex::eval_str(text).ok() } else { None }
}

/// An integer if it is whole, so that it fits wherever a number is expected.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < EXACT {
        Value::Integer(value as i64)
    } else {
        Value::Float(value)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(of_name)
}

fn of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The name behind a `$` and the text after it.
fn split_name(behind: &str) -> Option<(&str, &str)> {
    let (name, rest) = match behind.strip_prefix('{') {
        Some(inside) => inside.split_once('}')?,
        None => behind.split_at(behind.find(|c| !of_name(c)).unwrap_or(behind.len())),
    };
    is_name(name).then_some((name, rest))
}

#[cfg(test)]
mod tests;
