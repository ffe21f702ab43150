//! Colour, used sparingly: only text that needs attention has any. Invariant: no colour in a pipe, with
//! NO_COLOR (no-color.org), or on a terminal without colours.

use std::io::{self, IsTerminal};

use weir_api::State;

/// The importance of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    /// Less important than the rest.
    Dim,
    Warn,
    Bad,
}

impl Tone {
    pub(crate) fn of_state(state: State) -> Self {
        match state {
            State::Up => Self::Plain,
            State::Down | State::Gone => Self::Warn,
            State::Failed => Self::Bad,
            State::Stopped => Self::Dim,
        }
    }

    /// The tone of a number that should be 0.
    pub(crate) fn of_losses(lost: u64) -> Self {
        if lost > 0 { Self::Warn } else { Self::Plain }
    }

    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Warn => Some("33"),
            Self::Bad => Some("1;31"),
        }
    }
}

/// Whether texts are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    pub(crate) on: bool,
}

impl Paint {
    /// No colours at all.
    pub const PLAIN: Self = Self { on: false };

    /// Follows standard output and the environment.
    pub fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: !refused && io::stdout().is_terminal() && !dumb_terminal() }
    }

    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        match tone.code() {
            Some(code) if self.on && !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// Whether the terminal can only print lines.
pub(crate) fn dumb_terminal() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// The width of a text on the screen, without the colours.
pub(crate) fn len(text: &str) -> usize {
    textwrap::core::display_width(text)
}

#[cfg(test)]
mod tests;
