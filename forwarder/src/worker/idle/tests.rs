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
