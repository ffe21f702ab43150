//! The operator's choices, and the keys that change them. Invariant: pure; every key only changes this
//! state, and the return value tells the loop what to do.

use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

use super::grid::{Column, Declared, Order};
use super::{VIEWS, declared};
use crate::cli::args::{LONGEST, SHORTEST, View};
use weir_core::Choice as _;

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
        Self { view, orders: VIEWS.map(order), interval, ..Self::default() }
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

    /// Applies an event of the terminal; `None`: it means nothing here. While a filter is being typed,
    /// every key is text, except Ctrl-C and the keys that end the filter.
    pub(super) fn apply(&mut self, event: &Event) -> Option<Then> {
        let key = match event {
            Event::Resize(..) => return Some(Then::Redraw),
            Event::Key(key) if key.kind != KeyEventKind::Release => key,
            _ => return None,
        };
        if !key.modifiers.contains(KeyModifiers::CONTROL) {
            return if self.editing { self.edit(key.code) } else { self.command(key.code) };
        }
        match key.code {
            KeyCode::Char('c') => Some(Then::Quit),
            KeyCode::Char('l') => Some(Then::Redraw),
            KeyCode::Char('u') if self.editing => self.edit(KeyCode::Esc),
            _ => None,
        }
    }

    fn command(&mut self, key: KeyCode) -> Option<Then> {
        match key {
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Char('q') | KeyCode::Esc => return Some(Then::Quit),
            KeyCode::Tab => return Some(self.show(beside(self.view, 1))),
            KeyCode::BackTab => return Some(self.show(beside(self.view, VIEWS.len() - 1))),
            KeyCode::Char('1') => return Some(self.show(View::Vifs)),
            KeyCode::Char('2') => return Some(self.show(View::Flows)),
            KeyCode::Char('3') => return Some(self.show(View::Losses)),
            KeyCode::Char('4') => return Some(self.show(View::Links)),
            KeyCode::Char('s') | KeyCode::Right => self.turn(1),
            KeyCode::Char('S') | KeyCode::Left => self.turn(columns(self.view).len() - 1),
            KeyCode::Char('r') => self.order_mut().reversed ^= true,
            KeyCode::Char('/') => (self.editing, self.help, self.scrolled) = (true, false, 0),
            KeyCode::Char(' ') => {
                self.held = !self.held;
                return Some(if self.held { Then::Draw } else { Then::Ask });
            }
            KeyCode::Char(sign @ ('+' | '-')) => {
                let mut steps = STEPS_MS.map(Duration::from_millis).into_iter();
                let next = match sign {
                    '+' => steps.find(|step| *step > self.interval),
                    _ => steps.rfind(|step| *step < self.interval),
                };
                self.interval = next.unwrap_or(self.interval).clamp(SHORTEST, LONGEST);
                return Some(Then::Reschedule);
            }
            KeyCode::Char('?') => self.help = !self.help,
            KeyCode::Up => self.scrolled = self.scrolled.saturating_sub(1),
            KeyCode::Down => self.scrolled = self.scrolled.saturating_add(1),
            KeyCode::PageUp => self.scrolled = self.scrolled.saturating_sub(PAGE),
            KeyCode::PageDown => self.scrolled = self.scrolled.saturating_add(PAGE),
            KeyCode::Home => self.scrolled = 0,
            KeyCode::End => self.scrolled = usize::MAX,
            _ => return None,
        }
        Some(Then::Draw)
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

    fn edit(&mut self, key: KeyCode) -> Option<Then> {
        match key {
            KeyCode::Char(character) if self.filter.chars().count() < FILTER_CHARS => {
                self.filter.push(character);
            }
            KeyCode::Char(_) => {}
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Enter => self.editing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.editing = false;
            }
            _ => return None,
        }
        self.scrolled = 0;
        Some(Then::Draw)
    }
}

fn columns(view: View) -> &'static [Column] {
    declared(view).columns
}

/// The view that is `tabs` further on.
fn beside(view: View, tabs: usize) -> View {
    View::ALL[(view as usize + tabs) % View::ALL.len()]
}

#[cfg(test)]
pub(super) mod tests;
