//! Ctrl-C and SIGTERM. Invariant: the namespaces and their processes are gone before this process is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use system_tests::{ns, signals};

/// The exit code of an interrupted run.
pub const INTERRUPTED: u8 = 130;

/// How soon the signal is noticed: often enough for the user, seldom enough not to disturb the
/// measurement.
const LOOK: Duration = Duration::from_millis(100);
/// How long a cell may take to notice that its namespaces are gone.
const GRACE: Duration = Duration::from_secs(10);

pub(super) const RESUME: &str = "the same command goes on from there";

/// A flag that is set when the run is to end. The processes in the namespaces are then ended, so that
/// the cell under way fails soon and everything is taken down in order. Call this before there is any
/// bed.
pub(super) fn watch() -> Result<&'static AtomicBool> {
    let flag = signals::flag().context("cannot listen to signals")?;
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            while !flag.load(Ordering::SeqCst) {
                sleep(LOOK);
            }
            eprintln!("\nstopping; what was measured is kept");
            ns::remove_own();
            sleep(GRACE);
            // A cell that has not ended by now is not waited for.
            ns::remove_own();
            eprintln!("interrupted: {RESUME}");
            std::process::exit(i32::from(INTERRUPTED));
        })
        .context("cannot start a thread")?;
    Ok(flag)
}
