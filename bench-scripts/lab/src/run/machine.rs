//! Describes the machine. Invariant: facts that cannot be found out are reported as unknown.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use super::Machine;

const UNKNOWN: &str = "unknown";

impl Machine {
    /// This machine, now, with the repository at `root`.
    #[must_use]
    pub fn here(root: &Path) -> Self {
        let read = |path| std::fs::read_to_string(path).ok();
        let kernel = read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned());
        let cpu = read("/proc/cpuinfo").and_then(|text| model(&text));
        let commit = git(root, &["rev-parse", "--short=12", "HEAD"]);
        let changes = git(root, &["status", "--porcelain"]);
        Self {
            kernel: kernel.unwrap_or_else(|| UNKNOWN.to_owned()),
            cpu: cpu.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            commit: commit.unwrap_or_else(|| UNKNOWN.to_owned()),
            dirty: changes.is_some_and(|changes| !changes.is_empty()),
            date: now(),
        }
    }
}

/// Seconds since 1970.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The first core's name in /proc/cpuinfo; ARM's has none.
fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn git(root: &Path, words: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    // As root, git refuses another user's clone unless it is named.
    git.arg("-c").arg(format!("safe.directory={}", root.display())).arg("-C").arg(root);
    let output = git.args(words).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(said)
}

/// In the format of RFC 3339.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let ((year, month, day), (hour, minute, second)) = (now.to_calendar_date(), now.to_hms());
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

#[cfg(test)]
mod tests;
