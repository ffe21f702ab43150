use weir_core::{
    Lane, Mode, PortSettings, Rate, Release, ReleaseSettings, Reserved, Role, SchedulerSettings,
    Span,
};

use crate::*;

#[test]
fn a_bridge_plan_knows_its_uplinks_and_makes_vifs_of_the_rest() {
    let mut plan = Plan::for_bridge("br0", &["eth1".into()], 1);
    assert_eq!(plan.forwarder.workers, [1]);
    assert_eq!(plan.port_named("eth1").role, Role::Uplink);
    let plain = PortPlan { of_bridge: true, ..PortPlan::default().port("tap7", Role::Vif) };
    assert_eq!(plan.port_named("tap7"), plain);
    plan.every_port().for_each(|port| port.mode = Mode::Native);
    assert_eq!(plan.port_named("eth1").mode, Mode::Native);
    assert_eq!(plan.port_named("tap7").mode, Mode::Native);
    assert_eq!(plan.port_named("tap7").lane, Lane::Auto);
}

#[test]
fn a_ports_own_promises_come_before_those_for_all() {
    let mut plan = Plan::for_bridge("br0", &["eth1".into()], 1);
    let plain = plan.port_named("tap7");
    assert_eq!(plan.port_settings(&plain), PortSettings::new(Role::Vif));
    assert_eq!(plan.scheduler_settings(), SchedulerSettings::default());
    plan.container.release = Release::Adaptive;
    plan.container.timeout = Span::new(1_000);
    plan.container.alpha = 1e-9;
    let own = PortPlan {
        weight: 4,
        max_rate: Some(Rate::new(7)),
        timeout: Some(Span::new(2_000)),
        work_conserving: Some(false),
        ..plain
    };
    let settings = plan.port_settings(&own);
    assert_eq!((settings.share.weight, settings.share.max_rate), (4, Some(Rate::new(7))));
    let release = ReleaseSettings {
        policy: Release::Adaptive,
        timeout_ns: 2_000,
        alpha_q16: 1,
        work_conserving: false,
    };
    assert_eq!(settings.release, release);
}

#[test]
fn guests_are_held_and_the_way_out_is_not() {
    let defaults = PortPlan::default();
    let told = |port: &PortPlan| (port.storm_per_s(), port.passes_reserved());
    assert_eq!(told(&defaults.port("v1", Role::Vif)), (10_000, false));
    assert_eq!(told(&defaults.port("nic0", Role::Uplink)), (0, true));
    let own = |role| PortPlan {
        storm: Some(7),
        reserved: Some(Reserved::Pass),
        ..defaults.port("x", role)
    };
    assert_eq!((told(&own(Role::Vif)), told(&own(Role::Uplink))), ((7, true), (7, true)));
}
