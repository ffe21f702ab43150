//! `weir top`: the traffic of a running weir, live, in the whole terminal. Invariants: weir is only
//! queried; however `weir top` ends, the terminal is restored.
//!
//! Each module knows those before it: `sample` queries weir, `model` compares two samples, `grid` is
//! the table type, each view (`vifs`, `flows`, `losses`, `links`) makes a table, `state` holds the
//! operator's choices, `view` draws.

mod flows;
mod grid;
mod links;
mod losses;
mod model;
mod sample;
mod screen;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod vifs;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::grid::Declared;
use self::model::Span;
use self::sample::Sample;
use self::screen::Screen;
use self::state::{State, Then};
use self::view::Picture;
use super::args::{TopArgs, View};
use super::render::paint::{Paint, dumb_terminal};
use super::stop::Stop;
use weir_api::ClientError;
use weir_schema::ConfigErrors;

/// In the order of [`View`].
static VIEWS: [&Declared; 4] = [&vifs::VIEW, &flows::VIEW, &losses::VIEW, &links::VIEW];

/// Rates need two samples; the first rates need not wait a whole interval.
const FIRST: Duration = Duration::from_millis(500);

fn declared(view: View) -> &'static Declared {
    VIEWS[view as usize]
}

pub async fn run(args: &TopArgs, control: &Path) -> anyhow::Result<()> {
    let mut state = State::new(args.view, args.interval);
    if let Some(column) = &args.sort {
        state.sort_by(column).map_err(|valid| {
            let wrong = format!("\"{column}\" is no column of this view");
            ConfigErrors::argument("--sort", wrong, format!("valid: {valid}"))
        })?;
    }
    if let Some(wrong) = no_terminal() {
        return Err(ConfigErrors::argument("weir top", wrong, "valid: weir stats --watch").into());
    }
    // Taken while the terminal is still the shell's, so that an error is shown like any other.
    let first = Sample::take(control, state.view).await?;
    let mut stop = Stop::listen()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut screen = Screen::open()?;
    // Ending the loop drops the screen, which restores the terminal.
    tokio::select! {
        ended = watch(&mut screen, state, first, control) => ended,
        () = stop.told() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

/// The reason why the terminal cannot be drawn on.
fn no_terminal() -> Option<&'static str> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        Some("standard input and output are no terminal")
    } else if dumb_terminal() {
        Some("this terminal (TERM) can only print lines")
    } else {
        None
    }
}

async fn watch(
    screen: &mut Screen,
    mut state: State,
    first: Sample,
    control: &Path,
) -> anyhow::Result<()> {
    let colour = Paint::of_stdout().on;
    let mut events = screen::events();
    let (mut before, mut after) = (None, first);
    let mut gone: Option<String> = None;
    // One request at a time.
    let mut asking: JoinSet<Result<Sample, ClientError>> = JoinSet::new();
    let mut asked = Instant::now();
    let mut next = asked + FIRST.min(state.interval);
    loop {
        let span = Span::new(before.as_ref(), &after);
        let mut grid = (declared(state.view).grid)(&span);
        grid.arrange(&state.filter, state.order());
        state.settle(grid.rows.len());
        let picture = Picture { span, grid: &grid, state: &state, gone: gone.as_deref(), colour };
        screen.0.draw(|frame| view::draw(frame, &picture))?;
        let due = !state.held && asking.is_empty();
        tokio::select! {
            event = events.recv() => {
                // The terminal is gone.
                let Some(event) = event else { return Ok(()) };
                match state.apply(&event) {
                    None | Some(Then::Draw) => {}
                    Some(Then::Redraw) => screen.0.clear()?,
                    Some(Then::Ask) => next = Instant::now(),
                    Some(Then::Reschedule) => next = asked + state.interval,
                    Some(Then::Quit) => return Ok(()),
                }
            }
            Some(answer) = asking.join_next() => match answer {
                Ok(Ok(sample)) => {
                    // After a time without answers it may be another weir, whatever its uptime.
                    let known = gone.take().is_none() || sample.stats.uptime_ns < after.stats.uptime_ns;
                    before = Some(std::mem::replace(&mut after, sample)).filter(|_| known);
                }
                Ok(Err(error)) => gone = Some(error.to_string()),
                Err(error) => gone = Some(error.to_string()),
            },
            () = sleep_until(next), if due => {
                // Missed intervals are not made up for: they would come in a burst.
                asked = Instant::now();
                next = asked + state.interval;
                let (control, view) = (control.to_owned(), state.view);
                asking.spawn(async move { Sample::take(&control, view).await });
            }
        }
    }
}
