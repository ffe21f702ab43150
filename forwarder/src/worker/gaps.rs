//! How long `adaptive` looks for the next frame before it sleeps: what would have cost least lately.
//!
//! Gaps between frames are counted by their length, old ones for less and less. To look for a time
//! costs a gap its length where a frame comes within that time, and else the time and a sleep. Of a
//! few times the one is taken that would have cost least over the gaps counted. Invariant: over
//! those, no fixed time out of [`LOOKS_NS`] would have been cheaper, by more than the width of a
//! class.

/// What is chosen from; a gap is counted in the class of the first that is longer than it.
const LOOKS_NS: [u64; 5] = [0, 3_000, 6_000, 12_000, 25_000];
/// What a gap of each class costs who looks for long enough; longer ones never end by looking.
const WITHIN_NS: [u64; 4] = [1_500, 4_500, 9_000, 18_500];
/// What a sleep costs, and the wake-up that ends it: CPU time and the frame's wait in one. 17 us and
/// 20 us were measured in a virtual machine, a quarter of that without one.
const SLEEP_NS: u64 = 25_000;
/// How much later than its frame a sleeper wakes.
const WAKE_NS: u64 = 15_000;
/// So many gaps are counted before the old ones are halved.
const MANY: u32 = 64;

#[derive(Clone, Debug)]
pub(super) struct Gaps {
    /// By class: as many as `WITHIN_NS`, and those that are longer.
    counted: [u32; LOOKS_NS.len()],
    look_ns: u64,
}

impl Gaps {
    /// Nothing is known yet: looks for as long as it ever does.
    pub(super) const fn new() -> Self {
        Self { counted: [0; LOOKS_NS.len()], look_ns: LOOKS_NS[LOOKS_NS.len() - 1] }
    }

    /// How long to look after the last frame.
    pub(super) const fn look_ns(&self) -> u64 {
        self.look_ns
    }

    /// A frame came, so long after the one before it.
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
