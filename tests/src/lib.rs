//! The test bed of weir: virtual machines made of network namespaces, traffic, and the assertions at
//! the end of every data-plane test.
//!
//! Invariant: a bed leaves nothing behind, whether its test passes, fails, panics or is killed (the
//! next bed removes the leftovers of a killed one).

pub mod bed;
pub mod binaries;
pub mod consumer;
pub mod cpu;
pub mod drive;
pub mod fair;
pub mod gate;
pub mod kept;
pub mod ledger;
pub mod ns;
pub mod observer;
pub mod peers;
pub mod signals;
pub mod started;
pub mod traffic;
pub mod wait;
pub mod weir;
pub mod weir_spec;

pub use bed::{Bed, BedSpec, Guest};
pub use ns::Ns;
pub use started::{Started, StartedThread};
pub use wait::wait_for;
pub use weir::Weir;
pub use weir_spec::WeirSpec;

use std::io::Write;

/// Whether tests that need root can run here.
pub fn may_run_as_root() -> bool {
    nix::unistd::geteuid().is_root() && std::env::var_os("WEIR_NO_ROOT").is_none()
}

/// Reports, past the test harness's capture, that the test `name` did not run, and why.
pub fn say_skipped(name: &str, why: &str) {
    // `eprintln!` would be captured, and never be seen for a test that "passes".
    let _ = writeln!(std::io::stderr(), "SKIPPED ({why}): {name}");
}

/// Returns from a test whose requirements are missing, with a message.
#[macro_export]
macro_rules! need_or_skip {
    ($there:expr, $why:expr) => {
        if !$there {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("?");
            $crate::say_skipped(&format!("{}::{name}", module_path!()), $why);
            return Ok(());
        }
    };
}

/// Returns from a test that needs root without it, with a message.
#[macro_export]
macro_rules! root_or_skip {
    () => {
        $crate::need_or_skip!($crate::may_run_as_root(), "needs root");
    };
}
