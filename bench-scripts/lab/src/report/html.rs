//! Text as HTML. Invariant: text from a file reaches the page only through [`escape`], which [`marked`]
//! also uses.

use std::fmt::Write as _;

use crate::spec::Axis;

/// For text and for attributes in double quotes.
pub(super) fn escape(text: &str) -> String {
    // The ampersand first: the others bring new ones.
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// A text with names in backticks, as files write them.
pub(super) fn marked(text: &str) -> String {
    let text = escape(text);
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some((before, after)) = rest.split_once('`')
        && let Some((name, after)) = after.split_once('`')
    {
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

#[cfg(test)]
mod tests;
