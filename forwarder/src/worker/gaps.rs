//! How long `adaptive` looks for the next frame before it sleeps: the time that would have cost least lately.
//!
//! Gaps between frames are counted by length, with decreasing weight for old ones. If a frame comes while the
//! worker looks, the gap costs its own length. Otherwise it costs the time spent looking plus a sleep. Of a
//! few fixed times the worker takes the one with the least cost over the counted gaps. Invariant: over those
//! gaps, no other time of [`LOOKS_NS`] would have been cheaper, by more than the width of a class.

/// The times to choose from. A gap belongs to the class of the first time that is longer than it.
const LOOKS_NS: [u64; 5] = [0, 3_000, 6_000, 12_000, 25_000];
/// The cost of a gap of each class to a worker that looks for long enough. Longer gaps never end while it
/// looks.
const WITHIN_NS: [u64; 4] = [1_500, 4_500, 9_000, 18_500];
/// The cost of a sleep and its wake-up: the CPU time and the frame's wait together. 17 us and 20 us were
/// measured in a virtual machine, and a quarter of that outside one.
const SLEEP_NS: u64 = 25_000;
/// How much later than its frame a sleeping worker wakes.
const WAKE_NS: u64 = 15_000;
/// The number of counted gaps at which the counts are halved.
const MANY: u32 = 64;

#[derive(Clone, Debug)]
pub(super) struct Gaps {
    /// The number of gaps by class: the classes of `WITHIN_NS`, then all longer gaps.
    counted: [u32; LOOKS_NS.len()],
    look_ns: u64,
}

impl Gaps {
    /// Starts without knowledge, with the longest time.
    pub(super) const fn new() -> Self {
        Self { counted: [0; LOOKS_NS.len()], look_ns: LOOKS_NS[LOOKS_NS.len() - 1] }
    }

    /// How long to look after the last frame.
    pub(super) const fn look_ns(&self) -> u64 {
        self.look_ns
    }

    /// Counts a gap: a frame came `after_ns` after the previous one.
    pub(super) fn came(&mut self, after_ns: u64, slept: bool) {
        let gap_ns = if slept { after_ns.saturating_sub(WAKE_NS) } else { after_ns };
        let class = LOOKS_NS.iter().skip(1).position(|look_ns| gap_ns < *look_ns);
        if let Some(counted) = self.counted.get_mut(class.unwrap_or(WITHIN_NS.len())) {
            *counted += 1;
        }
        if self.counted.iter().sum::<u32>() >= MANY {
            self.look_ns = self.cheapest_ns();
            self.counted.iter_mut().for_each(|counted| *counted /= 2);
        }
    }

    fn cheapest_ns(&self) -> u64 {
        let cost = |nth: usize, look_ns: u64| -> u64 {
            let costs = self.counted.iter().zip(WITHIN_NS.iter().chain([&0])).enumerate();
            costs
                .map(|(class, (counted, within_ns))| {
                    let each = if class < nth { *within_ns } else { look_ns + SLEEP_NS };
                    u64::from(*counted) * each
                })
                .sum()
        };
        let looks =
            LOOKS_NS.iter().enumerate().map(|(nth, look_ns)| (cost(nth, *look_ns), *look_ns));
        looks.min().map_or(self.look_ns, |(_, look_ns)| look_ns)
    }
}

#[cfg(test)]
mod tests;
