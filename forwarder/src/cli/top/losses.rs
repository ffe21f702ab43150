//! The losses, and advice. Invariant: the sentences are the reasons' own.

use weir_core::Reason;

use super::grid::{Cell, Declared, Grid, Row, columns};
use super::model::Span;
use crate::cli::render::{grouped, paint::Tone, percent, permille, places, short};

columns! {
    fn cells(span: &Span<'_>, name: &str, frames: u64) {
        let stats = &span.after.stats;
        let before = span.stats_before().map(|before| &before.ledger.lost_by_reason);
        let before = before.and_then(|before| before.get(name)).copied().unwrap_or(0);
        let rate = span.per_second(before, frames);
    }
    "reason" "REASON" Text, 0 => Cell::text(name);
    "lost" "LOST/S" Number(7), 1 => Cell::number(rate, short).toned(Tone::of_losses(rate.unwrap_or(0)));
    "frames" "FRAMES" Number(15), 2 => Cell::number(Some(frames), grouped);
    "share" "SHARE" Number(8), 3 => Cell::number(permille(frames, stats.ledger.lost), percent);
    "at" "AT" Address(12), 4 => Cell::text(places(stats, name));
}

pub(super) static VIEW: Declared = Declared {
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
    let rows = span.after.stats.ledger.lost_by_reason.iter().map(|(name, frames)| Row {
        cells: cells(span, name, *frames),
        note: Reason::from_name(name).map(Reason::describe),
    });
    Grid { columns: COLUMNS, rows: rows.collect(), empty: "nothing lost".to_owned() }
}

#[cfg(test)]
mod tests;
