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
    // The worker sleeps through each gap, which then ends later by the time it takes to wake.
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
        // A gap counts as the middle of its class.
        let width = 6_500 * lengths.len() as u64;
        for look_ns in LOOKS_NS {
            prop_assert!(cost(chosen) <= cost(look_ns) + width, "{chosen} {look_ns}");
        }
    }
}
