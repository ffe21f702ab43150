//! Ctrl-C and SIGTERM in a bed's process.
//!
//! Invariant: with either function, the namespaces are gone before the process is.

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
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
    WATCHED.call_once(|| {
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                crate::ns::remove_own();
                std::process::exit(128 + signal);
            }
        });
    });
}

/// Sets a flag on the first signal, for a program that shuts down by itself; the second signal cleans
/// up and exits at once.
pub fn flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let set = Arc::clone(&flag);
    WATCHED.call_once(|| {
        std::thread::spawn(move || {
            for signal in signals.forever() {
                CAME.store(true, Ordering::SeqCst);
                if set.swap(true, Ordering::SeqCst) {
                    crate::ns::remove_own();
                    std::process::exit(128 + signal);
                }
            }
        });
    });
    Ok(flag)
}
