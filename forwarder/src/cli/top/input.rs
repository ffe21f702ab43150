//! Keys and their actions. Invariant: while a filter is being typed, every key is text, except Ctrl-C
//! and the keys that end the filter.

use std::{thread, time::Duration};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use crate::cli::args::View;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    /// Esc: closes the help, otherwise quits.
    Leave,
    NextView,
    PreviousView,
    Show(View),
    NextColumn,
    PreviousColumn,
    Reverse,
    Hold,
    Slower,
    Faster,
    Help,
    Scroll(Scroll),
    Filter(Edit),
    /// The window has another size.
    Redraw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scroll {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Begin,
    Type(char),
    Erase,
    Keep,
    Clear,
}

/// The action of an event; `editing`: a filter is being typed.
pub(super) fn action(event: &Event, editing: bool) -> Option<Action> {
    let key = match event {
        Event::Resize(..) => return Some(Action::Redraw),
        Event::Key(key) if key.kind != KeyEventKind::Release => key,
        _ => return None,
    };
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('l') => Some(Action::Redraw),
            KeyCode::Char('u') if editing => Some(Action::Filter(Edit::Clear)),
            _ => None,
        };
    }
    if editing { edit(key).map(Action::Filter) } else { command(key) }
}

fn edit(key: &KeyEvent) -> Option<Edit> {
    Some(match key.code {
        KeyCode::Enter => Edit::Keep,
        KeyCode::Esc => Edit::Clear,
        KeyCode::Backspace => Edit::Erase,
        KeyCode::Char(character) => Edit::Type(character),
        _ => return None,
    })
}

fn command(key: &KeyEvent) -> Option<Action> {
    Some(match key.code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Esc => Action::Leave,
        KeyCode::Tab => Action::NextView,
        KeyCode::BackTab => Action::PreviousView,
        KeyCode::Char('1') => Action::Show(View::Vifs),
        KeyCode::Char('2') => Action::Show(View::Flows),
        KeyCode::Char('3') => Action::Show(View::Losses),
        KeyCode::Char('4') => Action::Show(View::Links),
        KeyCode::Char('s') | KeyCode::Right => Action::NextColumn,
        KeyCode::Char('S') | KeyCode::Left => Action::PreviousColumn,
        KeyCode::Char('r') => Action::Reverse,
        KeyCode::Char('/') => Action::Filter(Edit::Begin),
        KeyCode::Char(' ') => Action::Hold,
        KeyCode::Char('+') => Action::Slower,
        KeyCode::Char('-') => Action::Faster,
        KeyCode::Char('?') => Action::Help,
        KeyCode::Up => Action::Scroll(Scroll::Up),
        KeyCode::Down => Action::Scroll(Scroll::Down),
        KeyCode::PageUp => Action::Scroll(Scroll::PageUp),
        KeyCode::PageDown => Action::Scroll(Scroll::PageDown),
        KeyCode::Home => Action::Scroll(Scroll::First),
        KeyCode::End => Action::Scroll(Scroll::Last),
        _ => return None,
    })
}

/// How soon the reader notices that its receiver is gone.
const LOOK: Duration = Duration::from_millis(100);
/// The most keys that are typed ahead of the picture.
const AHEAD: usize = 64;

/// Events of the terminal, read by a thread of its own since reading blocks. The thread ends when the
/// receiver is dropped.
pub(super) fn events() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(LOOK) {
                Ok(false) => {}
                Ok(true) => {
                    let Ok(event) = event::read() else { break };
                    if sender.blocking_send(event).is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests;
