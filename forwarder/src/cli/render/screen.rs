//! A text that is drawn repeatedly: in place on a terminal, one after the other elsewhere. Invariant:
//! however it ends, the cursor is visible again, and long lines wrap again.

use std::io;

use crate::cli::print;

/// Hides the cursor. A line that wraps would take two lines.
const BEGIN: &str = "\x1b[?25l\x1b[?7l";
const END: &str = "\x1b[?25h\x1b[?7h";
const CLEAR_LINE: &str = "\x1b[2K";
const CLEAR_BELOW: &str = "\x1b[J";

#[derive(Debug)]
pub(crate) struct Screen {
    terminal: bool,
    /// Lines of the text on the screen.
    drawn: usize,
}

/// How many lines fit on the terminal behind standard output; 23 if its size is unknown. Its last line
/// is left to the cursor.
pub(crate) fn lines() -> usize {
    let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_row);
    usize::from(if rows > 0 { rows - 1 } else { 23 }).max(1)
}

impl Screen {
    pub(crate) fn new(terminal: bool) -> Self {
        Self { terminal, drawn: 0 }
    }

    /// What has to be printed to show `picture`, of which `lines` lines fit.
    pub(crate) fn next(&mut self, picture: &str, lines: usize) -> String {
        let drawn = std::mem::replace(&mut self.drawn, picture.lines().count().min(lines));
        if !self.terminal {
            // A blank line between two texts, none after the last.
            return if drawn > 0 { "\n".to_owned() + picture } else { picture.to_owned() };
        }
        let mut text = String::from(BEGIN);
        if drawn > 0 {
            // No further than the window's height, in case it shrank.
            text += &format!("\r\x1b[{}A", drawn.min(lines));
        }
        for line in picture.lines().take(lines) {
            text.extend([CLEAR_LINE, line, "\r\n"]);
        }
        text + CLEAR_BELOW
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.terminal {
            let _ = print(END);
        }
    }
}

#[cfg(test)]
mod tests;
