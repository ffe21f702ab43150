use super::*;
use weir_api::Amount;
use weir_core::Reason;
use weir_core::Role;
use weir_schema::PortPlan;

fn listed(name: &str) -> PortPlan {
    PortPlan::default().port(name, Role::Vif)
}

/// A port of the bridge.
fn vif(name: &str) -> PortPlan {
    PortPlan { of_bridge: true, ..listed(name) }
}

#[test]
fn a_name_keeps_its_slot() {
    let mut roster = Roster::default();
    let first = roster.enlist(&vif("a")).map(|e| e.slot);
    roster.enlist(&vif("b"));
    roster.mark_gone("a", State::Gone);
    assert_eq!(roster.enlist(&vif("a")).map(|e| e.slot), first);
}

#[test]
fn the_longest_gone_is_struck_off_and_its_counts_are_kept() {
    let mut roster = Roster::default();
    for n in 0..=REMEMBERED {
        let name = format!("tap{n}");
        let entry = roster.enlist(&vif(&name)).unwrap();
        entry.past.rx.frames = 10;
        roster.mark_gone(&name, State::Gone);
    }
    assert_eq!(roster.to_strike_off().as_deref(), Some("tap0"));
    let program = ProgramCounts {
        received: 15,
        steered: 10,
        express: Amount::new(5, 0),
        reached: Amount::new(7, 0),
        ..ProgramCounts::default()
    };
    roster.strike_off("tap0", &program, &Losses::default());
    assert_eq!(roster.closed.worker.rx.frames, 10);
    let closed = &roster.closed.after;
    assert_eq!((closed.steered, closed.express.frames, closed.reached.frames), (10, 5, 7));
    assert_eq!(roster.to_strike_off(), None);
    assert_eq!(roster.enlist(&vif("new")).map(|e| e.slot), Some(0));
}

#[test]
fn losses_in_other_workers_stay_with_the_name_that_had_them() {
    let mut roster = Roster::default();
    roster.enlist(&vif("a"));
    let mut elsewhere = Losses::default();
    elsewhere.add(Reason::QueueFull, 5);
    roster.strike_off("a", &ProgramCounts::default(), &elsewhere);
    assert_eq!(roster.closed.worker.lost.get(Reason::QueueFull), 5);
    roster.enlist(&vif("b"));
    elsewhere.add(Reason::QueueFull, 2);
    elsewhere.add(Reason::PortGone, 1);
    let counts = roster.worker_counts(roster.entries.get("b").unwrap(), &elsewhere);
    assert_eq!(counts.lost.get(Reason::QueueFull), 2);
    assert_eq!(counts.lost.get(Reason::PortGone), 1);
}

#[test]
fn enlisting_a_name_again_renews_its_plan() {
    let mut roster = Roster::default();
    roster.enlist(&vif("a"));
    roster.enlist(&PortPlan { weight: 7, ..listed("a") });
    let entry = roster.entries.get("a").unwrap();
    assert_eq!((entry.plan.weight, entry.plan.of_bridge), (7, false));
}

#[test]
fn configured_ports_are_never_struck_off() {
    let mut roster = Roster::default();
    for n in 0..MAX_PORTS {
        let name = format!("p{n}");
        assert!(roster.enlist(&listed(&name)).is_some());
        roster.mark_gone(&name, State::Gone);
    }
    assert!(roster.enlist(&listed("one-too-many")).is_none());
    assert_eq!(roster.to_strike_off(), None);
}
