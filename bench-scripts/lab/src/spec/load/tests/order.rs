//! The papers' order.

use super::super::*;
use proptest::prelude::*;

#[test]
fn as_the_papers_have_them() {
    let ordered = [
        "A-E1",
        "A-E2",
        "A-E6",
        "B",
        "B-other",
        "B-load",
        "B-load-tcp",
        "B-full",
        "C",
        "C-events",
        "D-udp",
        "D-tcp",
        "D-tcp-free",
        "D-two",
        "D-burn",
        "D-rtt",
        "E-send",
        "E-receive",
        "E-router",
        "E-latency",
        "E-other",
        "F-1",
    ];
    let mut shuffled = ordered;
    shuffled.sort_unstable();
    shuffled.reverse();
    shuffled.sort_by(|one, other| place(one).cmp(&place(other)));
    assert_eq!(shuffled, ordered);
}

proptest! {
    #[test]
    fn only_the_same_are_equal(one in "[A-E]?-?[a-z0-9-]{0,6}", other in "[A-E]?-?[a-z0-9-]{0,6}") {
        prop_assert_eq!(place(&one) == place(&other), one == other);
    }
}
