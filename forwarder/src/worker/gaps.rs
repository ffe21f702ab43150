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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(gaps: impl IntoIterator<Item = u64>) -> u64 {
        let mut known = Gaps::new();
        for gap_ns in gaps {
            known.came(gap_ns, false);
        }
        known.look_ns()
    }

    #[test]
    fn frames_that_come_soon_are_looked_for() {
        assert_eq!(after([]), 25_000);
        assert_eq!(after(vec![20_000; 100]), 25_000);
        assert_eq!(after(vec![4_000; 100]), 6_000);
    }

    #[test]
    fn frames_that_come_late_are_slept_for_at_once() {
        assert_eq!(after(vec![50_000; 100]), 0);
    }

    #[test]
    fn a_burst_is_looked_through_and_no_further() {
        let burst = [2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 80_000];
        assert_eq!(after(burst.into_iter().cycle().take(800)), 3_000);
    }

    #[test]
    fn it_learns_again_while_it_sleeps() {
        let mut gaps = Gaps::new();
        (0..100).for_each(|_| gaps.came(1_000_000, true));
        assert_eq!(gaps.look_ns(), 0);
        // Each is slept through, and ends as much later as it takes to wake.
        (0..200).for_each(|_| gaps.came(4_000 + WAKE_NS, true));
        assert_eq!(gaps.look_ns(), 6_000);
    }

    proptest! {
        #[test]
        fn no_fixed_time_would_have_been_cheaper(
            lengths in prop::collection::vec(0_u64..60_000, MANY as usize),
        ) {
            let chosen = after(lengths.iter().copied());
            let cost = |look_ns: u64| -> u64 {
                let each = |gap_ns: &u64| {
                    if *gap_ns < look_ns { *gap_ns } else { look_ns + SLEEP_NS }
                };
                lengths.iter().map(each).sum()
            };
            // A gap is counted as the middle of its class.
            let width = 6_500 * lengths.len() as u64;
            for look_ns in LOOKS_NS {
                prop_assert!(cost(chosen) <= cost(look_ns) + width, "{chosen} {look_ns}");
            }
        }
    }
}
