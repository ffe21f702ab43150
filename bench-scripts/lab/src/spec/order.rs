//! The papers' order of experiments. Invariant: a total order; an unlisted experiment follows its
//! letter's others.

use std::cmp::Ordering;

/// Ids, and beginnings of ids that continue with `-`.
const PAPERS: [&str; 15] = [
    "A",
    "B",
    "B-load",
    "B-full",
    "C",
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
    (letter(one), rank(one)).cmp(&(letter(other), rank(other))).then_with(|| one.cmp(other))
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

#[cfg(test)]
mod tests;
