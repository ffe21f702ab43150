//! `weir stats`: once, or repeatedly.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::args::StatsArgs;
use super::render::paint::dumb_terminal;
use super::render::screen::{self, Screen};
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
    let mut drawn = Screen::new(terminal && !args.json);
    loop {
        let after = Client::at(control).stats().await?;
        if args.json {
            print_json_line(&after)?;
        } else {
            let fit = screen::lines();
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
