//! Text as HTML. Invariant: text from a file reaches the page only through [`escape`], which [`marked`]
//! also uses.

use std::fmt::Write as _;

use crate::spec::Axis;

/// For text and for attributes in double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A text with names in backticks, as files write them.
pub(super) fn marked(text: &str) -> String {
    let text = escape(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, name, after)) = rest.split_once('`').and_then(|(before, after)| {
        after.split_once('`').map(|(name, after)| (before, name, after))
    }) {
        let _ = write!(out, "{before}<code>{name}</code>");
        rest = after;
    }
    out + rest
}

/// "throughput (Mb/s)".
pub(super) fn axis(axis: &Axis) -> String {
    if axis.unit.is_empty() {
        axis.name.clone()
    } else {
        format!("{} ({})", axis.name, unit(&axis.unit))
    }
}

/// The printed form: files write `us`.
pub(super) fn unit(unit: &str) -> &str {
    if unit == "us" { "µs" } else { unit }
}

/// Gives a sentence a capital at the beginning and a point at the end.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?', ':', '…']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}

/// "one cell", "3 cells".
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests;
