//! How weir is started on a bed: its configuration file or its arguments.
//!
//! Invariant: nothing here touches a file or a process; a spec is text.

use crate::bed::{BRIDGE, Bed, RIGHT_PORT, UPLINK_PORT};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const FORWARDER: &str = "forwarder";

/// The differences between one test's weir and another's.
#[derive(Debug, Clone)]
pub struct WeirSpec {
    /// `weir run --bridge br0 --uplink nic0` instead of a configuration file.
    pub takes_bridge: bool,
    pub idle: &'static str,
    /// Attach mode of every port.
    pub mode: &'static str,
    /// Lane of every port whose lines do not name one.
    pub lane: &'static str,
    /// The workers' cores.
    pub workers: Vec<usize>,
    /// Lines by section, such as `container`; further ones of `forwarder`.
    pub sections: BTreeMap<&'static str, String>,
    /// Further lines of single ports, by name.
    pub ports: BTreeMap<String, String>,
    /// The folder in which weir leaves its measurements when it ends.
    pub dump_dir: Option<PathBuf>,
    /// Appended to the configuration.
    pub extra: String,
    /// Variables of its environment.
    pub environment: Vec<(&'static str, String)>,
    /// Another binary than the one under test.
    pub binary: Option<PathBuf>,
}

impl Default for WeirSpec {
    fn default() -> Self {
        Self {
            takes_bridge: false,
            idle: "adaptive",
            mode: "gate",
            lane: "scheduled",
            workers: vec![1],
            sections: BTreeMap::new(),
            ports: BTreeMap::new(),
            dump_dir: None,
            extra: String::new(),
            environment: Vec::new(),
            binary: None,
        }
    }
}

impl WeirSpec {
    pub fn bridge() -> Self {
        Self { takes_bridge: true, ..Self::default() }
    }

    #[must_use]
    pub fn lane(self, lane: &'static str) -> Self {
        Self { lane, ..self }
    }

    #[must_use]
    pub fn workers(self, cores: &[usize]) -> Self {
        Self { workers: cores.to_vec(), ..self }
    }

    /// Lines for a section: `release = "fixed"` for `container`.
    #[must_use]
    pub fn section(mut self, name: &'static str, lines: &str) -> Self {
        add_lines(self.sections.entry(name).or_default(), lines);
        self
    }

    /// Lines for the port `name`, such as `weight = 3`; it may be called again for more.
    #[must_use]
    pub fn port(mut self, name: &str, lines: &str) -> Self {
        add_lines(self.ports.entry(name.to_owned()).or_default(), lines);
        self
    }

    /// Gives the link towards the uplink host this rate.
    #[must_use]
    pub fn uplink_rate(self, rate: &str) -> Self {
        self.port(UPLINK_PORT, &format!("rate = \"{rate}\""))
    }

    /// The configuration file for all ports of `bed`.
    pub fn config(&self, bed: &Bed, socket: &Path) -> String {
        let Self { idle, mode, workers, .. } = self;
        let control = socket.display();
        let mut text = format!(
            "[{FORWARDER}]\nidle = \"{idle}\"\ncontrol = \"{control}\"\nworkers = {workers:?}\n"
        );
        text.push_str(self.sections.get(FORWARDER).map_or("", String::as_str));
        for (name, lines) in self.sections.iter().filter(|(name, _)| **name != FORWARDER) {
            let _ = write!(text, "[{name}]\n{lines}");
        }
        for port in bed.ports() {
            let uplink = [UPLINK_PORT, RIGHT_PORT].contains(&port.as_str());
            let role = if uplink { "uplink" } else { "vif" };
            let _ =
                write!(text, "[[port]]\nname = \"{port}\"\nrole = \"{role}\"\nmode = \"{mode}\"\n");
            let own = self.ports.get(&port).map_or("", String::as_str);
            if !own.lines().any(|line| line.trim_start().starts_with("lane ")) {
                let _ = writeln!(text, "lane = \"{}\"", self.lane);
            }
            text.push_str(own);
        }
        text.push_str(&self.extra);
        text
    }

    /// The arguments after `weir run`.
    pub fn args(&self, config: &Path, socket: &Path) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut words = vec!["--config".to_owned(), path(config)];
        if self.takes_bridge {
            let Self { idle, mode, lane, .. } = self;
            let fixed = format!(
                "--bridge {BRIDGE} --uplink {UPLINK_PORT} --idle {idle} --mode {mode} --lane {lane}"
            );
            words = fixed.split(' ').map(str::to_owned).collect();
            words.extend(["--control".to_owned(), path(socket)]);
            let workers = self.workers.iter();
            words.extend(workers.flat_map(|core| ["--worker".to_owned(), core.to_string()]));
        }
        let dump_dir = self.dump_dir.iter();
        words.extend(dump_dir.flat_map(|folder| ["--dump-dir".to_owned(), path(folder)]));
        words
    }
}

fn add_lines(text: &mut String, lines: &str) {
    text.push_str(lines);
    if !lines.ends_with('\n') {
        text.push('\n');
    }
}
