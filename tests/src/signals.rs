//! Ctrl-C and SIGTERM in a bed's process.
//!
//! Invariant: with either function, the namespaces are gone before the process is.

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static WATCHED: Once = Once::new();
static CAME: AtomicBool = AtomicBool::new(false);

/// Whether a program that shuts down by itself received the signal: waits are then pointless, since
/// their subject has been taken down.
pub(crate) fn came() -> bool {
    CAME.load(Ordering::SeqCst)
}

/// Cleans up and exits on the first signal; the first caller in a process decides.
pub(crate) fn exit_on_signal() {
    let _ = watch(|| true);
}

/// A flag that is set on the first signal, for a program that shuts down by itself; the second signal
/// cleans up and exits at once.
pub fn flag() -> Result<&'static AtomicBool> {
    watch(|| CAME.swap(true, Ordering::SeqCst))?;
    Ok(&CAME)
}

/// Cleans up and exits on the first signal for which `ends` returns true.
fn watch(ends: fn() -> bool) -> Result<()> {
    let mut result = Ok(());
    WATCHED.call_once(|| match Signals::new([SIGINT, SIGTERM]) {
        Ok(mut signals) => drop(std::thread::spawn(move || {
            if let Some(signal) = signals.forever().find(|_| ends()) {
                crate::ns::remove_own();
                std::process::exit(128 + signal);
            }
        })),
        Err(error) => result = Err(error.into()),
    });
    result
}
