//! `weir stats`: once, or repeatedly.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::args::StatsArgs;
use super::render::paint::dumb_terminal;
use super::render::{self, Paint};
use super::stop::Stop;
use super::{print, print_json_line, show};
use weir_api::Client;

pub async fn run(args: &StatsArgs, control: &Path) -> anyhow::Result<()> {
    if args.help_counters {
        return print(&render::counters());
    }
    if let Some(seconds) = args.watch {
        let mut stop = Stop::listen()?;
        // Ending the future drops its screen, which restores the cursor.
        return tokio::select! {
            ended = watch(args, control, Duration::from_secs(seconds)) => ended,
            () = stop.told() => Ok(()),
        };
    }
    let (report, paint) = (Client::at(control).stats().await?, Paint::of_stdout());
    show(args.json, &report, || match () {
        () if args.ledger => render::ledger(&report, paint),
        () if args.shares => render::shares(None, &report, None, paint),
        () => render::stats(&report, paint),
    })
}

async fn watch(args: &StatsArgs, control: &Path, every: Duration) -> anyhow::Result<()> {
    // A terminal that can only print lines is treated like a pipe.
    let terminal = io::stdout().is_terminal() && !dumb_terminal();
    let paint = Paint::of_stdout();
    let mut before = Client::at(control).stats().await?;
    let mut next = Instant::now();
    if !args.json && !args.ledger {
        // Rates need two reports; the first rates need not wait a whole interval.
        next += every.min(Duration::from_secs(1));
        sleep_until(next).await;
    }
    let mut drawn = Screen { terminal: terminal && !args.json, drawn: 0 };
    loop {
        let after = Client::at(control).stats().await?;
        if args.json {
            print_json_line(&after)?;
        } else {
            let fit = screen_lines();
            let lines = terminal.then_some(fit);
            let picture = match () {
                () if args.ledger => render::ledger(&after, paint),
                () if args.shares => render::shares(Some(&before), &after, lines, paint),
                () => render::watch(&before, &after, lines, paint),
            };
            print(&drawn.next(&picture, fit))?;
        }
        before = after;
        // Missed intervals are not made up for: they would come in a burst.
        next = (next + every).max(Instant::now());
        sleep_until(next).await;
    }
}

/// Hides the cursor. A line that wraps would take two lines.
const BEGIN: &str = "\x1b[?25l\x1b[?7l";
const END: &str = "\x1b[?25h\x1b[?7h";
const CLEAR_LINE: &str = "\x1b[2K";
const CLEAR_BELOW: &str = "\x1b[J";

/// A text that is drawn repeatedly: in place on a terminal, one after the other elsewhere. However it ends,
/// the cursor is visible again, and long lines wrap again.
#[derive(Debug)]
struct Screen {
    terminal: bool,
    /// Lines of the text on the screen.
    drawn: usize,
}

/// The lines of this terminal above the cursor's; 23 if its size is unknown.
fn screen_lines() -> usize {
    let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_row);
    usize::from(if rows > 0 { rows - 1 } else { 23 }).max(1)
}

impl Screen {
    /// What has to be printed to show `picture`, of which `lines` lines fit.
    fn next(&mut self, picture: &str, lines: usize) -> String {
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
