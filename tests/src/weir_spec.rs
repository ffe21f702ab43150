//! How a weir is to be started on a bed: its configuration file or its arguments.
//!
//! Invariant: nothing here touches a file or a process; a spec is text.

use crate::bed::{BRIDGE, Bed, UPLINK_PORT};
use std::fmt::Write as _;
use std::path::Path;

/// What differs between one test's weir and another's.
#[derive(Debug, Clone)]
pub struct WeirSpec {
    /// `weir run --bridge br0 --uplink nic0` in place of a configuration file.
    pub takes_bridge: bool,
    pub idle: &'static str,
    /// Attach mode of every port.
    pub mode: &'static str,
    /// The core of the worker; None leaves the choice to weir.
    pub worker: Option<usize>,
    /// Appended to the configuration.
    pub extra: String,
}

impl Default for WeirSpec {
    fn default() -> Self {
        Self {
            takes_bridge: false,
            idle: "adaptive",
            mode: "auto",
            worker: Some(1),
            extra: String::new(),
        }
    }
}

impl WeirSpec {
    #[must_use]
    pub fn bridge() -> Self {
        Self { takes_bridge: true, ..Self::default() }
    }

    #[must_use]
    pub fn idle(self, idle: &'static str) -> Self {
        Self { idle, ..self }
    }

    #[must_use]
    pub fn mode(self, mode: &'static str) -> Self {
        Self { mode, ..self }
    }

    /// The configuration file for all ports of `bed`.
    #[must_use]
    pub fn config(&self, bed: &Bed, socket: &Path) -> String {
        let mut text =
            format!("[forwarder]\nidle = \"{}\"\ncontrol = \"{}\"\n", self.idle, socket.display());
        if let Some(core) = self.worker {
            let _ = writeln!(text, "workers = [{core}]");
        }
        for port in bed.ports() {
            let role = if port == UPLINK_PORT { "uplink" } else { "vif" };
            let _ = write!(
                text,
                "[[port]]\nname = \"{port}\"\nrole = \"{role}\"\nmode = \"{}\"\n",
                self.mode
            );
        }
        text.push_str(&self.extra);
        text
    }

    /// The words after `weir run`.
    #[must_use]
    pub fn args(&self, config: &Path, socket: &Path) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        if self.takes_bridge {
            let mut words: Vec<String> = [
                "--bridge",
                BRIDGE,
                "--uplink",
                UPLINK_PORT,
                "--idle",
                self.idle,
                "--mode",
                self.mode,
            ]
            .map(str::to_owned)
            .into();
            words.extend(["--control".to_owned(), path(socket)]);
            words.extend(
                self.worker.iter().flat_map(|core| ["--worker".to_owned(), core.to_string()]),
            );
            words
        } else {
            vec!["--config".to_owned(), path(config)]
        }
    }
}
