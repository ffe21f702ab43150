//! A table that is sorted, filtered and fitted into any width. Invariants: sorting uses a cell's value,
//! never its text; a column is shown whole or not at all, and less important ones are left out first.

use std::cmp::Ordering;

use super::model::Span;
use crate::cli::render::paint::Tone;

/// The declaration of a view.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) columns: &'static [Column],
    /// The initial sort column.
    pub(super) by: &'static str,
    /// The meaning of the columns.
    pub(super) help: &'static [(&'static str, &'static str)],
    pub(super) grid: fn(&Span<'_>) -> Grid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name on the command line.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) kind: Kind,
    /// Columns are added by ascending rank while there is room.
    pub(super) rank: u8,
}

/// Columns of this rank and above are shown in wide windows only, and are never filtered by.
pub(super) const WIDE: u8 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Left-aligned, as wide as its cells; sorts ascending.
    Text,
    /// A text that may be shortened: it gets at least this width, and what is left over.
    Address(usize),
    /// Right-aligned, in this width; sorts descending.
    Number(usize),
    /// Left-aligned, in this width; not sortable.
    Mark(usize),
}

impl Column {
    pub(super) fn sortable(&self) -> bool {
        !matches!(self.kind, Kind::Mark(_))
    }

    fn descends(&self) -> bool {
        matches!(self.kind, Kind::Number(_))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
    /// `None` is unknown, and sorts last.
    value: Option<u64>,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A cell with a number; a dash if it is unknown.
    pub(super) fn number(value: Option<u64>, text: impl Fn(u64) -> String) -> Self {
        Self { text: value.map_or_else(|| "-".to_owned(), text), value, ..Self::default() }
    }

    pub(super) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// A sentence below the table.
    pub(super) note: Option<&'static str>,
}

impl Row {
    pub(super) fn of(cells: Vec<Cell>) -> Self {
        Self { cells, note: None }
    }
}

/// Declares a view's columns: id, title, kind, rank, and the cell of the row of a call.
macro_rules! columns {
    (
        fn $cells:ident($($row:tt: $type:ty),+) { $($first:tt)* }
        $($id:literal $title:literal $kind:ident $(($width:literal))?, $rank:expr => $cell:expr;)+
    ) => {
        const COLUMNS: &[$crate::cli::top::grid::Column] = &[$($crate::cli::top::grid::Column {
            id: $id,
            title: $title,
            kind: $crate::cli::top::grid::Kind::$kind $(($width))?,
            rank: $rank,
        }),+];

        fn $cells($($row: $type),+) -> Vec<Cell> {
            $($first)*
            vec![$($cell),+]
        }
    };
}
pub(super) use columns;

#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Row>,
    /// The text shown if there are no rows.
    pub(super) empty: String,
}

/// The sort order of a grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) column: usize,
    pub(super) reversed: bool,
}

impl Order {
    /// Whether the smallest comes first.
    pub(super) fn ascends(self, columns: &[Column]) -> bool {
        columns.get(self.column).is_some_and(|column| !column.descends()) != self.reversed
    }
}

impl Grid {
    /// Keeps the rows with `filter` in one of their texts, ignoring case, and sorts them, stably.
    pub(super) fn arrange(&mut self, filter: &str, order: Order) {
        let filter = filter.to_lowercase();
        let matches = |(column, cell): (&Column, &Cell)| {
            column.rank < WIDE && cell.text.to_lowercase().contains(&filter)
        };
        let columns = self.columns;
        self.rows.retain(|row| filter.is_empty() || columns.iter().zip(&row.cells).any(matches));
        let ascends = order.ascends(self.columns);
        let textual = self.columns.get(order.column).is_some_and(|column| !column.descends());
        let directed = |ordering: Ordering| if ascends { ordering } else { ordering.reverse() };
        self.rows.sort_by(|one, other| {
            let cells = (one.cells.get(order.column), other.cells.get(order.column));
            let (Some(one), Some(other)) = cells else { return Ordering::Equal };
            match (one.value, other.value) {
                (None, None) if textual => directed(natural(&one.text, &other.text)),
                (Some(one), Some(other)) => directed(one.cmp(&other)),
                // An unknown value sorts below known ones, in either direction.
                (one, other) => other.is_some().cmp(&one.is_some()),
            }
        });
    }

    /// The columns that fit, with their widths, a space between two.
    pub(super) fn fit(&self, width: usize) -> Vec<(usize, usize)> {
        let mut by_rank: Vec<usize> = (0..self.columns.len()).collect();
        by_rank.sort_by_key(|at| self.columns.get(*at).map(|column| column.rank));
        let (mut shown, mut used) = (Vec::new(), 0);
        for at in by_rank {
            let (least, _) = self.width(at);
            let gap = usize::from(!shown.is_empty());
            if used + gap + least > width && !shown.is_empty() {
                break;
            }
            used += gap + least;
            shown.push((at, least.min(width)));
        }
        shown.sort_unstable();
        let mut left = width.saturating_sub(used);
        // Columns that were given less than they want share the rest equally.
        let mut wanting = shown.iter().filter(|(at, has)| self.width(*at).1 > *has).count();
        for (at, has) in &mut shown {
            let most = self.width(*at).1;
            if most > *has {
                let more = (left / wanting.max(1)).min(most - *has);
                (*has, left, wanting) = (*has + more, left - more, wanting - 1);
            }
        }
        shown
    }

    /// The least width of a column, and the width that it would fill.
    fn width(&self, at: usize) -> (usize, usize) {
        let Some(column) = self.columns.get(at) else { return (0, 0) };
        // The title, with the mark of the sort order.
        let title = column.title.len() + usize::from(column.sortable());
        let cells = self.rows.iter().filter_map(|row| row.cells.get(at));
        let longest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0).max(title);
        match column.kind {
            Kind::Text => (longest, longest),
            Kind::Address(least) => (longest.min(least).max(title), longest),
            Kind::Number(width) | Kind::Mark(width) => (width.max(title), width.max(title)),
        }
    }
}

/// `v2` before `v10`.
fn natural(one: &str, other: &str) -> Ordering {
    let split = |text: &str| {
        let digits = text.chars().rev().take_while(char::is_ascii_digit).count();
        let (head, tail) = text.split_at(text.len() - digits);
        (head.to_owned(), tail.parse::<u64>().unwrap_or(0))
    };
    split(one).cmp(&split(other)).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests;
