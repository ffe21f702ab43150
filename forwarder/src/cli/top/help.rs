//! The text that `?` shows. Invariant: it has every column and every key, and each view explains its
//! own.

use super::declared;
use crate::cli::{args::View, render::hanging};

const KEYS: &[(&str, &str)] = &[
    ("Tab 1..4", "the next view; vifs, flows, losses, links"),
    ("s S < >", "sort by the next column, or the one before (arrow keys, too)"),
    ("r", "the other way round"),
    ("/", "show only what contains a text; Enter keeps it, Esc clears it"),
    ("arrows", "scroll; PgUp, PgDn, Home and End, too"),
    ("space", "hold the picture"),
    ("+ -", "ask less often, more often"),
    ("q Esc ^C", "quit"),
];

/// As lines of at most `width`.
pub(super) fn lines(view: View, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for section in [declared(view).help, KEYS] {
        for (name, sentence) in section {
            let text = hanging(&format!("{name:<10} "), sentence, width.max(20));
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.push(String::new());
    }
    lines.pop();
    lines
}

#[cfg(test)]
mod tests;
