use super::*;

/// By hand, J += (|D| - J) / 16 from 0:
/// 1000, 1160, 1000, 1000, 9000 ns -> |D| = 160, 160, 0, 8000
/// -> J = 10, 19.375, 18.164, 517.029.
#[test]
fn jitter_is_that_of_rfc_3550() {
    let mut row = FlowState::default();
    let mut jitters = Vec::new();
    for ns in [1_000, 1_160, 1_000, 1_000, 9_000] {
        row.delivered(64, ns);
        jitters.push(row.counts().jitter_ns);
    }
    assert_eq!(jitters, [0, 10, 19, 18, 517]);
}

#[test]
fn jitter_comes_back_down_and_no_residence_is_too_long_for_it() {
    let mut row = FlowState::default();
    for _ in 0..1_000 {
        row.delivered(64, 0);
        row.delivered(64, u64::MAX);
    }
    let worst_ns = row.counts().jitter_ns;
    assert!(worst_ns > LONGEST_NS / 100 * 99 && worst_ns <= LONGEST_NS, "{worst_ns}");
    for _ in 0..1_000 {
        row.delivered(64, 500);
    }
    assert_eq!(row.counts().jitter_ns, 0);
}

#[test]
fn what_every_packet_touches_is_in_two_cache_lines() {
    use std::mem::offset_of;
    assert!(offset_of!(FlowState, key) == 0 && offset_of!(FlowState, frames) == 72);
    assert_eq!(offset_of!(FlowState, firsts), 128);
}
