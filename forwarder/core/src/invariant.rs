//! What cannot happen unless weir has a bug.
//!
//! A debug build panics where such a thing is found. A release build counts it and goes on, so that
//! one wrong number does not take a host's guests offline; what carries on is then as good as the
//! code at that place can make it. Invariant: nothing here is reached on the good way.

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
    /// What the last one was; empty if there was none.
    pub last: &'static str,
}

/// For [`broken!`](crate::broken).
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

/// What the calling thread has found.
#[must_use]
pub fn of_this_thread() -> Broken {
    HERE.get()
}

/// How many all threads of the process have found.
#[must_use]
pub fn of_all_threads() -> u64 {
    ALL.load(Ordering::Relaxed)
}

/// An invariant does not hold: the text says which.
#[macro_export]
macro_rules! broken {
    ($what:literal) => {
        $crate::invariant::note($what)
    };
}

/// Says so if the condition does not hold.
#[macro_export]
macro_rules! invariant {
    ($holds:expr, $what:literal) => {
        if !$holds {
            $crate::broken!($what);
        }
    };
}
