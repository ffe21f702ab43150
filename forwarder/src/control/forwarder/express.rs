//! Which frames need no worker: for them the gate may use the express lane, in the kernel.
//!
//! Invariant: whatever a worker would do with a frame beyond sending it (keep a rate, hold it back,
//! show it to a capture or a trace) keeps the frame out of that lane.

use weir_abi::gate_flags::{EXPRESS_FROM, EXPRESS_TO};

use crate::control::plan::{Lane, PortPlan, Release};

/// The gate's flags for a port as a source and as a destination. `release` is the one in force for
/// the port; `watched`: a capture or a trace is on.
pub(super) fn flags(plan: &PortPlan, release: Release, watched: bool) -> u32 {
    let from =
        plan.lane == Lane::Auto && release == Release::Eager && plan.max_rate.is_none() && !watched;
    let to = plan.rate.is_none();
    (if from { EXPRESS_FROM } else { 0 }) | (if to { EXPRESS_TO } else { 0 })
}

#[cfg(test)]
mod tests {
    use weir_core::Rate;

    use super::*;
    use crate::control::plan::{PortDefaults, Role};

    fn plain() -> PortPlan {
        PortDefaults::default().port("v1", Role::Vif)
    }

    #[test]
    fn by_default_nothing_needs_a_worker() {
        for role in [Role::Vif, Role::Uplink] {
            let plan = PortDefaults::default().port("v1", role);
            assert_eq!(flags(&plan, Release::Eager, false), EXPRESS_FROM | EXPRESS_TO);
        }
    }

    #[test]
    fn a_source_is_scheduled_for_each_reason_alone() {
        let rate = Some(Rate::new(1_000_000));
        assert_eq!(
            flags(&PortPlan { max_rate: rate, ..plain() }, Release::Eager, false),
            EXPRESS_TO
        );
        let scheduled = PortPlan { lane: Lane::Scheduled, ..plain() };
        assert_eq!(flags(&scheduled, Release::Eager, false), EXPRESS_TO);
        for release in [Release::Fixed, Release::Adaptive] {
            assert_eq!(flags(&plain(), release, false), EXPRESS_TO);
        }
        assert_eq!(flags(&plain(), Release::Eager, true), EXPRESS_TO, "somebody watches");
    }

    #[test]
    fn only_its_own_rate_keeps_frames_for_a_port_out() {
        let rated = PortPlan { rate: Some(Rate::new(1_000_000)), ..plain() };
        assert_eq!(flags(&rated, Release::Eager, false), EXPRESS_FROM);
        // As a source it is owed a part of others' links, which is theirs to schedule.
        let owed = PortPlan { weight: 7, min_rate: rated.rate, ..plain() };
        assert_eq!(flags(&owed, Release::Eager, false), EXPRESS_FROM | EXPRESS_TO);
        let all = PortPlan { max_rate: rated.rate, ..rated };
        assert_eq!(flags(&all, Release::Fixed, true), 0);
    }
}
