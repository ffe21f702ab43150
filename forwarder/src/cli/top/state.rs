//! The operator's choices. Invariant: pure; every key only changes this state, and the return value
//! tells the loop what to do.

use std::time::Duration;

use clap::ValueEnum as _;

use super::{
    grid::{Column, Declared, Order},
    input::{Action, Edit, Scroll},
    views,
};
use crate::cli::args::{LONGEST, SHORTEST, View};

/// The rows of a page; the window's size is unknown here, so a little less than the smallest.
const PAGE: usize = 10;
const FILTER_CHARS: usize = 60;
const STEPS_MS: [u64; 10] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000];

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) view: View,
    orders: [Order; 4],
    pub(super) filter: String,
    /// While the filter is being typed.
    pub(super) editing: bool,
    pub(super) held: bool,
    pub(super) help: bool,
    pub(super) interval: Duration,
    /// Rows above the window.
    pub(super) scrolled: usize,
}

/// What the loop must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Draw,
    /// Clear the screen first.
    Redraw,
    /// Query weir now.
    Ask,
    /// The interval has changed.
    Reschedule,
    Quit,
}

impl State {
    pub(super) fn new(view: View, interval: Duration) -> Self {
        let order = |view: &Declared| Order {
            column: view.columns.iter().position(|column| column.id == view.by).unwrap_or(0),
            reversed: false,
        };
        Self { view, orders: views::ALL.map(order), interval, ..Self::default() }
    }

    /// Sorts the view by the column `id`; an unknown id returns the list of the known ones.
    pub(super) fn sort_by(&mut self, id: &str) -> Result<(), String> {
        let columns = columns(self.view);
        let found = columns.iter().position(|column| {
            column.sortable()
                && [column.id, column.title].iter().any(|n| n.eq_ignore_ascii_case(id))
        });
        match found {
            Some(column) => {
                self.order_mut().column = column;
                Ok(())
            }
            None => {
                let valid = columns.iter().filter(|column| column.sortable());
                Err(valid.map(|column| column.id).collect::<Vec<_>>().join(", "))
            }
        }
    }

    pub(super) fn order(&self) -> Order {
        self.orders[self.view as usize]
    }

    fn order_mut(&mut self) -> &mut Order {
        &mut self.orders[self.view as usize]
    }

    /// There is nothing to see below the last row.
    pub(super) fn settle(&mut self, rows: usize) {
        self.scrolled = self.scrolled.min(rows.saturating_sub(1));
    }

    pub(super) fn apply(&mut self, action: Action) -> Then {
        match action {
            Action::Quit => return Then::Quit,
            Action::Leave if self.help => self.help = false,
            Action::Leave => return Then::Quit,
            Action::NextView => return self.show(beside(self.view, 1)),
            Action::PreviousView => return self.show(beside(self.view, views::ALL.len() - 1)),
            Action::Show(view) => return self.show(view),
            Action::NextColumn => self.turn(1),
            Action::PreviousColumn => self.turn(columns(self.view).len().saturating_sub(1)),
            Action::Reverse => {
                let order = self.order_mut();
                order.reversed = !order.reversed;
            }
            Action::Hold => {
                self.held = !self.held;
                return if self.held { Then::Draw } else { Then::Ask };
            }
            Action::Slower => {
                let slower = STEPS_MS.map(Duration::from_millis);
                let slower = slower.into_iter().find(|step| *step > self.interval);
                self.interval = slower.unwrap_or(self.interval).min(LONGEST);
                return Then::Reschedule;
            }
            Action::Faster => {
                let faster = STEPS_MS.map(Duration::from_millis);
                let faster = faster.into_iter().rev().find(|step| *step < self.interval);
                self.interval = faster.unwrap_or(self.interval).max(SHORTEST);
                return Then::Reschedule;
            }
            Action::Help => self.help = !self.help,
            Action::Scroll(scroll) => self.scroll(scroll),
            Action::Filter(edit) => self.edit(edit),
            Action::Redraw => return Then::Redraw,
        }
        Then::Draw
    }

    fn show(&mut self, view: View) -> Then {
        (self.view, self.help, self.scrolled) = (view, false, 0);
        // Flows are requested only where they are shown.
        if view == View::Flows && !self.held { Then::Ask } else { Then::Draw }
    }

    /// Moves to the next sortable column, in steps of `step`.
    fn turn(&mut self, step: usize) {
        let columns = columns(self.view);
        let order = self.order_mut();
        for _ in columns {
            order.column = (order.column + step) % columns.len().max(1);
            if columns.get(order.column).is_some_and(Column::sortable) {
                break;
            }
        }
        order.reversed = false;
    }

    fn scroll(&mut self, scroll: Scroll) {
        self.scrolled = match scroll {
            Scroll::Up => self.scrolled.saturating_sub(1),
            Scroll::Down => self.scrolled.saturating_add(1),
            Scroll::PageUp => self.scrolled.saturating_sub(PAGE),
            Scroll::PageDown => self.scrolled.saturating_add(PAGE),
            Scroll::First => 0,
            Scroll::Last => usize::MAX,
        };
    }

    fn edit(&mut self, edit: Edit) {
        self.scrolled = 0;
        match edit {
            Edit::Begin => (self.editing, self.help) = (true, false),
            Edit::Type(character) => {
                if self.filter.chars().count() < FILTER_CHARS {
                    self.filter.push(character);
                }
            }
            Edit::Erase => {
                self.filter.pop();
            }
            Edit::Keep => self.editing = false,
            Edit::Clear => {
                self.filter.clear();
                self.editing = false;
            }
        }
    }
}

fn columns(view: View) -> &'static [Column] {
    views::of(view).columns
}

/// The view that is `tabs` further on.
fn beside(view: View, tabs: usize) -> View {
    let all = View::value_variants();
    all[(view as usize + tabs) % all.len()]
}

#[cfg(test)]
mod tests;
