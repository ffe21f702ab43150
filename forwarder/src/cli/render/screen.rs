//! A text that is drawn repeatedly: in place on a terminal, one after the other elsewhere. Invariant:
//! however it ends, the cursor is visible again.

use std::io::{self, Write};

use super::paint::cut;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR_LINE_END: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

#[derive(Debug)]
pub(crate) struct Screen<W: Write> {
    out: W,
    terminal: bool,
    /// Lines of the text on the screen.
    drawn: usize,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Size {
    /// The size of the terminal behind standard output; 80 by 24 if it is unknown.
    pub(crate) fn of_stdout() -> Self {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let known = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
        known.map_or(Self { columns: 80, rows: 24 }, |size| Self {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        })
    }

    /// The last line is left to the cursor.
    pub(crate) fn lines(self) -> usize {
        self.rows.saturating_sub(1).max(1)
    }
}

impl<W: Write> Screen<W> {
    pub(crate) fn new(out: W, terminal: bool) -> Self {
        Self { out, terminal, drawn: 0 }
    }

    pub(crate) fn draw(&mut self, picture: &str, size: Size) -> io::Result<()> {
        if !self.terminal {
            // A blank line between two texts, none after the last.
            let between = if self.drawn > 0 { "\n" } else { "" };
            self.drawn += 1;
            write!(self.out, "{between}{picture}")?;
            return self.out.flush();
        }
        let mut text = String::from(HIDE_CURSOR);
        if self.drawn > 0 {
            // No further than the window's height, in case it shrank.
            text += &format!("\r\x1b[{}A", self.drawn.min(size.lines()));
        }
        self.drawn = 0;
        for line in picture.lines().take(size.lines()) {
            // A line that wraps would take two lines.
            text += &cut(line, size.columns);
            text.extend([CLEAR_LINE_END, "\r\n"]);
            self.drawn += 1;
        }
        text += CLEAR_BELOW;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        if self.terminal {
            let _ = self.out.write_all(SHOW_CURSOR.as_bytes());
            let _ = self.out.flush();
        }
    }
}

#[cfg(test)]
mod tests;
