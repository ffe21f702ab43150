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
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_the_papers_have_them() {
        let ordered = [
            "A-E1",
            "A-E2",
            "A-E6",
            "A-E10",
            "B",
            "B-other",
            "B-load",
            "B-load-tcp",
            "B-full",
            "C",
            "C-events",
            "D-udp",
            "D-tcp",
            "D-tcp-free",
            "D-two",
            "D-burn",
            "D-rtt",
            "E-send",
            "E-receive",
            "E-router",
            "E-router-64",
            "E-router-1500",
            "E-latency",
            "E-other",
            "F-1",
        ];
        let mut shuffled = ordered;
        shuffled.sort_unstable();
        shuffled.reverse();
        shuffled.sort_by(|one, other| by_paper(one, other));
        assert_eq!(shuffled, ordered);
    }

    proptest! {
        #[test]
        fn only_the_same_are_equal(one in "[A-E]?-?[a-z0-9-]{0,6}", other in "[A-E]?-?[a-z0-9-]{0,6}") {
            prop_assert_eq!(by_paper(&one, &other), by_paper(&other, &one).reverse());
            prop_assert_eq!(by_paper(&one, &other) == Ordering::Equal, one == other);
        }
    }
}
