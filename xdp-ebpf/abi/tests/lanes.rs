//! The order of frames across the lanes, on two CPUs: a search through every state that gate, worker,
//! backlogs, the thread that clears and the control side can get into, for a flow that never ends.
//!
//! ```text
//!            ┌──────────── gate, on either CPU ───────────┐
//!   frame ──►│ what it is told ─► CLEARED, BRIDGED        │
//!            │                 ─► DONE, STEERED, DONE …   │
//!            └──┬──────────────────┬───────────────────┬──┘
//!        bridge │ BRIDGED+1  STEERED+1, marked while   │ express: all bridged is cleared,
//!               ▼                  │ BRIDGED≠CLEARED   │ all steered is done
//!        backlog of a CPU          ▼                   │
//!         frame, fence, …        ring ─► lost          │
//!               │                  ▼                   │
//!               │          held until CLEARED          │
//!               │                  ▼                   │
//!               │           queue ─► sendto, DONE+1    │
//!               ▼                  ▼                   ▼
//!            ────────────────── delivered ──────────────────
//!   clearing: reads BRIDGED ─► a fence on each CPU ─► both are out ─► once more ─► CLEARED
//!   control:  raises BRIDGED ─► stores that the destination is the gate's
//! ```
//!
//! Each arrow is a step, and between two steps anything else may happen. What the gate chooses is said by
//! [`weir_abi::decide`] itself. What it is told of a frame is anybody's choice, frame by frame, and so are
//! the CPU by which the frame comes (once the one before has left the gate), when a backlog, the worker and
//! the clearing thread go on, and whether a frame is lost behind the gate.
//!
//! **What must hold.** A frame is never delivered behind a later one of its flow, and never twice. From
//! every state on, all that is under way gets delivered whatever happens first, and the express lane is open
//! again: a measure of what is to be done falls with every step that the machine makes by itself, and only
//! where nothing is under way is there no such step.
//!
//! **What is left out,** and shown by a test of its own:
//! - A frame that the gate passes to the bridge while others of its flow are at the worker may overtake them:
//!   the gate cannot hold a frame back. In the model it passes none then.
//! - `sendto` returns when a frame is delivered, but at a receiver that spreads what it gets (RPS).
//! - What the gate hands over is delivered, but where it has to go by the device (`bpf_redirect`).
//!
//! Two frames that both stood in backlogs are in whatever order they would be without weir.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "lanes/asked.rs"]
mod asked;
#[path = "lanes/gate.rs"]
mod gate;
#[path = "lanes/normal.rs"]
mod normal;
#[path = "lanes/rules.rs"]
mod rules;
#[path = "lanes/search.rs"]
mod search;
#[path = "lanes/state.rs"]
mod state;
#[path = "lanes/steps.rs"]
mod steps;

use rules::{REAL, Rules};
use search::{OVERTAKEN, Searched, search};

const SPREADS: [Option<usize>; 3] = [None, Some(0), Some(1)];

/// Insists that nothing is wrong with these rules, and that it has come to all this.
#[track_caller]
fn keeps(rules: Rules, has_to_happen: &[&str]) {
    for receiver_spreads_to in SPREADS {
        let rules = Rules { receiver_spreads_to, ..rules };
        let Searched { states, happened } =
            search(&rules).unwrap_or_else(|wrong| panic!("{rules:#?}\n{}", wrong.trace));
        println!("{states} states, receiver spreads to {receiver_spreads_to:?}");
        for event in has_to_happen {
            assert!(happened.contains(event), "it never {event}: {happened:?}");
        }
    }
}

/// Insists that a frame can be overtaken with these rules.
#[track_caller]
fn reorders(rules: Rules) {
    match search(&rules) {
        Ok(Searched { states, .. }) => panic!("nothing is wrong in {states} states\n{rules:#?}"),
        Err(wrong) => assert_eq!(wrong.what, OVERTAKEN, "{}", wrong.trace),
    }
}

#[test]
fn a_flow_stays_in_order_and_none_of_it_is_left_behind() {
    let events = [
        "raises BRIDGED",
        "takes out of its backlog",
        "marks and steers",
        "steers",
        "holds",
        "no longer holds",
        "adds what was lost to DONE",
        "waits until as many are DONE",
        "hands over",
    ];
    keeps(Rules { window: 4, ..REAL }, &events);
}

#[test]
fn a_flow_stays_in_order_beside_another_of_its_source() {
    keeps(Rules { has_another_flow: true, ..REAL }, &["reads STEERED again"]);
}

#[test]
fn a_flow_stays_in_order_when_its_destination_comes_to_the_gate() {
    let events = ["stores that the destination is the gate's", "stores CLEARED"];
    keeps(Rules { changes: true, ..REAL }, &events);
}

/// The flow's own frames cannot come between the two: the one before has left the gate.
#[test]
fn done_has_to_be_read_before_steered() {
    let rules = Rules { reads_done_first: false, ..REAL };
    assert!(search(&rules).is_ok());
    reorders(Rules { has_another_flow: true, ..rules });
}

/// Without RPS a frame stands in the backlog of the CPU that has passed it to the bridge before that is
/// visited. With it, in one that may have been visited before.
#[test]
fn one_round_of_fences_is_not_enough_where_the_receiver_spreads() {
    let rules = Rules { rounds: 1, ..REAL };
    assert!(search(&rules).is_ok());
    reorders(Rules { receiver_spreads_to: Some(0), ..rules });
}

#[test]
fn fences_are_needed() {
    reorders(Rules { rounds: 0, ..REAL });
}

#[test]
fn bridged_has_to_be_read_before_the_fences() {
    reorders(Rules { reads_before_rounds: false, ..REAL });
}

#[test]
fn done_has_to_be_raised_after_a_frame_is_sent() {
    reorders(Rules { tells_after_sending: false, ..REAL });
}

#[test]
fn marked_frames_have_to_be_held() {
    reorders(Rules { holds_marked: false, ..REAL });
}

#[test]
fn what_follows_a_held_frame_has_to_be_held() {
    reorders(Rules { holds_followers: false, ..REAL });
}

#[test]
fn losses_have_to_be_counted_when_nothing_is_on_its_way_to_the_ring() {
    reorders(Rules { forgives_when_quiet: false, ..REAL });
}

#[test]
fn sources_have_to_be_held_before_a_change() {
    reorders(Rules { changes: true, holds_before_change: false, ..REAL });
}

/// What was raised before the change may be cleared before it is stored, and then a frame may still go
/// by the bridge.
#[test]
fn nothing_may_be_cleared_until_a_change_is_stored() {
    reorders(Rules { changes: true, clears_around_change: false, ..REAL });
}

#[test]
fn the_bridge_may_overtake_a_worker() {
    reorders(Rules { bridges_any_time: true, ..REAL });
}

#[test]
fn the_express_lane_may_overtake_a_worker_where_the_receiver_spreads() {
    reorders(Rules { sends_by_backlog: true, receiver_spreads_to: Some(0), ..REAL });
}

#[test]
fn a_worker_may_overtake_the_express_lane_by_way_of_a_device() {
    reorders(Rules { express_by_backlog: true, ..REAL });
}
