//! The log: to standard error, one line per event, as text or as JSON. Invariant: nothing that
//! happens per packet is logged.

use std::io;

use tracing_subscriber::EnvFilter;

use super::args::LogFormat;

/// Starts logging. `RUST_LOG` overrides the verbosity.
pub fn init(format: LogFormat, verbosity: u8) {
    let level = match verbosity {
        0 => "info",
        1 => "weir=debug,info",
        _ => "weir=trace,debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Only a second call fails, and then the log is already set up.
    let _ = match format {
        LogFormat::Text => {
            let colour = io::IsTerminal::is_terminal(&io::stderr());
            log.with_ansi(colour).with_target(false).try_init()
        }
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
    };
}

#[cfg(test)]
mod tests;
