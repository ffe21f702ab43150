use proptest::prelude::*;

use super::*;

const LONG: u64 = 1_000_000;
const SPIN_NS: u64 = 25_000;

fn idle_for(idle_for_ns: u64) -> Moment {
    Moment {
        idle_for_ns,
        look_ns: SPIN_NS,
        tx_pending: false,
        due_in_ns: None,
        link_in_ns: None,
        chores_in_ns: LONG,
    }
}

#[test]
fn spin_never_sleeps() {
    for tx_pending in [false, true] {
        let moment = Moment { tx_pending, ..idle_for(u64::MAX) };
        assert_eq!(wait(Idle::Spin, moment), Wait::Again);
    }
}

#[test]
fn adaptive_looks_first() {
    assert_eq!(wait(Idle::Adaptive, idle_for(0)), Wait::Again);
    let asleep = Wait::Readable { at_most_ns: LONG };
    assert_eq!(wait(Idle::Adaptive, idle_for(SPIN_NS)), asleep);
}

#[test]
fn sleep_sleeps_at_once() {
    assert_eq!(wait(Idle::Sleep, idle_for(0)), Wait::Readable { at_most_ns: LONG });
}

#[test]
fn nobody_oversleeps_what_is_due() {
    for policy in [Idle::Adaptive, Idle::Sleep] {
        let due = |ns| wait(policy, Moment { due_in_ns: Some(ns), ..idle_for(SPIN_NS) });
        assert_eq!(due(70_000), Wait::Readable { at_most_ns: 70_000 });
        assert_eq!(due(2 * LONG), Wait::Readable { at_most_ns: LONG });
        assert_eq!(due(0), Wait::Again);
        assert_eq!(due(SHORT_NS - 1), Wait::Again);
    }
}

#[test]
fn adaptive_looks_on_while_a_link_is_about_to_take_what_waits() {
    let at = |policy, ns| {
        let moment = Moment { due_in_ns: Some(ns), link_in_ns: Some(ns), ..idle_for(SPIN_NS) };
        wait(policy, moment)
    };
    assert_eq!(at(Idle::Adaptive, CONTENDED_NS - 1), Wait::Again);
    assert_eq!(at(Idle::Adaptive, CONTENDED_NS), Wait::Readable { at_most_ns: CONTENDED_NS });
    assert_eq!(at(Idle::Sleep, SHORT_NS), Wait::Readable { at_most_ns: SHORT_NS });
}

#[test]
fn nobody_polls_a_socket_that_has_frames_to_send() {
    for policy in [Idle::Adaptive, Idle::Sleep] {
        for idle_for_ns in [0, 10_000, 100_000, u64::MAX] {
            let moment = Moment { tx_pending: true, ..idle_for(idle_for_ns) };
            assert!(!matches!(wait(policy, moment), Wait::Readable { .. }));
        }
    }
}

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
