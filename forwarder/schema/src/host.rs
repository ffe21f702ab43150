//! The machine's resources.

use std::fs;

/// The machine's resources, so that a plan can be checked against it (and tests need no machine).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The cores that are online, in rising order.
    pub cores: Vec<usize>,
}

impl Host {
    pub fn detect() -> Self {
        let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
        let mut cores = parse_core_list(&online);
        if cores.is_empty() {
            let count = std::thread::available_parallelism().map_or(1, usize::from);
            cores = (0..count).collect();
        }
        Self { cores }
    }

    /// The default worker's core: the last, since interrupts gather on the first.
    pub fn default_worker(&self) -> usize {
        self.cores.last().copied().unwrap_or(0)
    }
}

/// The kernel's notation: `0-3,8`.
fn parse_core_list(list: &str) -> Vec<usize> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<usize>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests;
