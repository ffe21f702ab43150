//! The arguments of `weir top`.

use std::time::Duration;

use clap::Args;

use super::{choice, time};

/// A shorter interval would measure the requests themselves, a longer one looks dead.
pub const SHORTEST: Duration = Duration::from_millis(100);
pub const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct TopArgs {
    /// How often weir is asked: 100ms to 3600s
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// What is shown first; Tab shows the next
    #[arg(long, value_parser = choice::<View>(), default_value_t)]
    pub view: View,
    /// The column to sort that view by, as its header names it; `s` takes the next
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<String>,
}

weir_core::choices! {
    /// What is shown.
    #[derive(Default)]
    View {
        /// The ports: rates, shares of their links, queues, residence times, losses
        #[default]
        Vifs = "vifs",
        /// Who talks to whom: the 200 largest flows
        Flows = "flows",
        /// What was lost, by reason, and what to do about it
        Losses = "losses",
        /// The links with a rate: lane, what is taken of the rate and by whom, how often the lane changed
        Links = "links",
    }
}

const EXAMPLES: &str = "\
Keys:
  Tab, 1, 2, 3, 4     the next view; vifs, flows, losses, links
  s, S, Left, Right   sort by the next column, or the one before
  r                   the other way round
  /                   show only what contains a text; Enter keeps it, Esc clears it
  Up, Down, PgUp, PgDn, Home, End   scroll
  space               hold the picture
  +, -                ask less often, more often
  ?                   what the columns mean
  q, Esc, Ctrl-C      quit

Examples:
  weir top
  weir top --interval 200ms --sort lost
  weir top --view flows --sort p99
  weir stats --watch                      the same for a pipe or a plain terminal";

fn interval(text: &str) -> Result<Duration, String> {
    time(text, SHORTEST..=LONGEST, "from 100ms to 3600s, e.g. \"1s\"")
}

#[cfg(test)]
mod tests;
