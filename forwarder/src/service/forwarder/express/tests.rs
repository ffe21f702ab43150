use super::*;
use weir_core::Role;
use weir_schema::PortPlan;

fn plain() -> PortPlan {
    PortPlan::default().port("v1", Role::Vif)
}

#[test]
fn by_default_nothing_needs_a_worker() {
    for role in [Role::Vif, Role::Uplink] {
        let plan = PortPlan::default().port("v1", role);
        assert_eq!(flags(&plan, Release::Eager, false), EXPRESS_FROM);
    }
}

#[test]
fn a_source_is_scheduled_for_each_reason_alone() {
    let scheduled = PortPlan { lane: Lane::Scheduled, ..plain() };
    assert_eq!(flags(&scheduled, Release::Eager, false), 0);
    for release in [Release::Fixed, Release::Adaptive] {
        assert_eq!(flags(&plain(), release, false), 0);
    }
    assert_eq!(flags(&plain(), Release::Eager, true), 0, "a client watches");
}

#[test]
fn a_links_rate_is_the_gates_to_keep() {
    let rated = PortPlan { rate: Some(Rate::new(1_000_000)), ..plain() };
    assert_eq!(flags(&rated, Release::Eager, false), EXPRESS_FROM);
    // As a source it has a share of others' links, which those links schedule.
    let owed = PortPlan { weight: 7, min_rate: rated.rate, ..plain() };
    assert_eq!(flags(&owed, Release::Eager, false), EXPRESS_FROM);
    assert_eq!(per_byte(None), 0);
    assert_eq!(per_byte(Some(Rate::new(1_000_000_000))), 8 << PER_BYTE_BITS);
    assert_eq!(per_byte(Some(Rate::new(0))), 1 << 40);
    assert_eq!(ahead_ns(8 << PER_BYTE_BITS, 65_536), 8 * 65_536);
    assert_eq!(ahead_ns(8 << PER_BYTE_BITS, 0), 8 * 3028);
    assert_eq!(ahead_ns(1 << 40, u64::MAX), MOST_AHEAD_NS);
}
