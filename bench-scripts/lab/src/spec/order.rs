//! The order in which the papers have their experiments. Invariant: a total order; what is not in
//! the list comes behind its letter's others, numbers by their size.

use std::cmp::Ordering;

/// Ids, and what goes on with `-` behind them.
const PAPERS: [&str; 16] = [
    "A",
    "B",
    "B-load",
    "B-full",
    "C",
    "C-path",
    "C-events",
    "D-udp",
    "D-tcp",
    "D-two",
    "D-burn",
    "D-rtt",
    "E-send",
    "E-receive",
    "E-router",
    "E-latency",
];

pub(super) fn by_paper(one: &str, other: &str) -> Ordering {
    (letter(one), rank(one))
        .cmp(&(letter(other), rank(other)))
        .then_with(|| pieces(one).cmp(&pieces(other)))
        .then_with(|| one.cmp(other))
}

fn letter(id: &str) -> Option<char> {
    id.chars().next()
}

/// By the longest beginning.
fn rank(id: &str) -> usize {
    let begins = |start: &str| {
        id.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let known = PAPERS.iter().enumerate().filter(|(_, start)| begins(start));
    known.max_by_key(|(_, start)| start.len()).map_or(PAPERS.len(), |(index, _)| index)
}

/// Words and numbers in turn, so that `E-router-64` comes before `E-router-1500`.
fn pieces(id: &str) -> Vec<(String, u64)> {
    let mut pieces: Vec<(String, u64)> = Vec::new();
    let mut in_number = true;
    for c in id.chars() {
        let digit = c.to_digit(10).map(u64::from);
        if let Some((word, number)) = pieces.last_mut().filter(|_| digit.is_some() || !in_number) {
            match digit {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(digit),
                None => word.push(c),
            }
        } else {
            let word = if digit.is_some() { String::new() } else { c.to_string() };
            pieces.push((word, digit.unwrap_or(0)));
        }
        in_number = digit.is_some();
    }
    pieces
}

#[cfg(test)]
mod tests;
