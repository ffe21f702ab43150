//! What `?` shows. Invariant: every column and every key is there, and each view explains its own.

use crate::cli::{args::View, render::wrapped};

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

const VIFS: &[(&str, &str)] = &[
    ("RX TX", "bit/s that the port sent, and that were delivered to it"),
    ("FR/S", "frames a second, both ways; a superframe is one"),
    ("EXPR", "the part of what it sent that the gate handed over, without a worker"),
    ("SHARE", "its part of what went over its most contended link (OF LINK)"),
    ("DUE", "its part by what it was promised: WEIGHT, MIN and MAX, among those that send"),
    ("QUEUE", "bytes of it that wait; SHED: more than may, dropped at its own core"),
    ("P50 P99", "how long its packets stayed at a worker, in the last interval"),
    ("LOST", "frames a second; view 3 says why"),
];

const FLOWS: &[(&str, &str)] = &[
    ("VIF", "where it comes from; a tag stands before the source's address"),
    ("BIT/S FR/S", "what it sent, in the last interval"),
    ("BYTES", "since its first packet; the 200 largest are shown"),
    ("P50 P99", "how long its packets stayed at a worker, since its first"),
    ("JITTER", "of that time, as RFC 3550 has it"),
    ("LOST", "frames since its first packet, after weir took them"),
    (
        "*",
        "the sum of flows that ended or had no room in the table, and of what the gate handed over",
    ),
];

const LOSSES: &[(&str, &str)] = &[
    ("LOST/S", "frames a second"),
    ("FRAMES", "since weir started"),
    ("SHARE", "of all that was lost"),
    ("AT", "the ports that lost most"),
];

const LINKS: &[(&str, &str)] = &[
    ("LANE", "express: the gate hands frames over; scheduled: somebody waits, and a worker sends"),
    ("RATE", "bit/s that may be sent to it"),
    ("TAKEN", "the part of RATE that was sent, by all"),
    ("EXPR", "that which the gate handed over, of RATE"),
    ("HOST", "that which the host and the bridge sent, past weir, of RATE"),
    ("FLIPS", "how often it passed to its scheduler; FLIP/S: in the last interval"),
    ("QUEUE", "bytes that wait for it"),
    ("AHEAD", "how far what was sent is ahead of RATE; above 20ms the host leaves no room"),
];

/// As lines of at most `width`.
pub(super) fn lines(view: View, width: usize) -> Vec<String> {
    let columns = match view {
        View::Vifs => VIFS,
        View::Flows => FLOWS,
        View::Losses => LOSSES,
        View::Links => LINKS,
    };
    let mut lines = Vec::new();
    for section in [columns, KEYS] {
        for (name, sentence) in section {
            let text = wrapped(sentence, 11, width.max(20));
            let rest = text.get(11..).unwrap_or_default();
            let entry = format!("{name:<10} {rest}");
            lines.extend(entry.lines().map(str::to_owned));
        }
        lines.push(String::new());
    }
    lines.pop();
    lines
}

#[cfg(test)]
mod tests;
