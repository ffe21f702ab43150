//! Checks for what cannot happen unless weir has a bug.
//!
//! A debug build panics when a check fails. A release build counts the failure and goes on, so that one wrong
//! number does not take a host's guests offline. The code at that place then does the best it can. Invariant:
//! correct operation never reaches any of this.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

static ALL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HERE: Cell<Broken> = const { Cell::new(Broken { count: 0, last: "" }) };
}

/// Broken invariants that one thread has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    pub count: u64,
    /// The text of the last one; empty if there was none.
    pub last: &'static str,
}

/// Counts a broken invariant; called by [`broken!`](crate::broken).
#[cold]
#[inline(never)]
pub fn note(what: &'static str) {
    #[cfg(debug_assertions)]
    #[expect(clippy::panic, reason = "a debug build ends at the first bug it finds")]
    {
        panic!("broken invariant: {what}");
    }
    #[cfg(not(debug_assertions))]
    {
        ALL.fetch_add(1, Ordering::Relaxed);
        HERE.set(Broken { count: HERE.get().count + 1, last: what });
    }
}

/// The broken invariants that the calling thread has found.
#[must_use]
pub fn of_this_thread() -> Broken {
    HERE.get()
}

/// The number of broken invariants that all threads of the process have found.
pub fn of_all_threads() -> u64 {
    ALL.load(Ordering::Relaxed)
}

/// Reports that the invariant named by the text does not hold.
#[macro_export]
macro_rules! broken {
    ($what:literal) => {
        $crate::invariant::note($what)
    };
}

/// Reports a broken invariant if the condition does not hold.
#[macro_export]
macro_rules! invariant {
    ($holds:expr, $what:literal) => {
        if !$holds {
            $crate::broken!($what);
        }
    };
}
