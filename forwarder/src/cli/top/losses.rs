//! The losses, and advice. Invariant: the sentences are the reasons' own.

use std::collections::BTreeMap;

use weir_core::Reason;

use super::{
    grid::{Cell, Column, Declared, Grid, Kind, Row},
    model::Span,
};
use crate::cli::render::{grouped, paint::Tone, percent, permille, places, short};

const COLUMNS: &[Column] = &[
    Column { id: "reason", title: "REASON", kind: Kind::Text, rank: 0 },
    Column { id: "lost", title: "LOST/S", kind: Kind::Number(7), rank: 1 },
    Column { id: "frames", title: "FRAMES", kind: Kind::Number(15), rank: 2 },
    Column { id: "share", title: "SHARE", kind: Kind::Number(8), rank: 3 },
    Column { id: "at", title: "AT", kind: Kind::Address(12), rank: 4 },
];

pub(super) static VIEW: Declared = Declared {
    name: "losses",
    columns: COLUMNS,
    by: "frames",
    help: &[
        ("LOST/S", "frames a second"),
        ("FRAMES", "since weir started"),
        ("SHARE", "of all that was lost"),
        ("AT", "the ports that lost most"),
    ],
    grid,
};

fn grid(span: &Span<'_>) -> Grid {
    let stats = &span.after.stats;
    let none = BTreeMap::new();
    let before = span.stats_before().map_or(&none, |before| &before.ledger.lost_by_reason);
    let rows = stats.ledger.lost_by_reason.iter().map(|(name, frames)| {
        let rate = span.per_second(before.get(name).copied().unwrap_or(0), *frames);
        let cells = vec![
            Cell::text(name),
            Cell::number(rate, short).toned(Tone::of_losses(rate.unwrap_or(0))),
            Cell::number(Some(*frames), grouped),
            Cell::number(permille(*frames, stats.ledger.lost), percent),
            Cell::text(places(stats, name)),
        ];
        Row { cells, note: Reason::from_name(name).map(Reason::describe) }
    });
    Grid { columns: COLUMNS, rows: rows.collect(), empty: "nothing lost".to_owned() }
}

#[cfg(test)]
mod tests;
