//! The shape of the answers.

use std::collections::BTreeMap;

use super::*;
use weir_core::{Losses, Reason, Role};

#[test]
fn the_json_is_the_one_promised() {
    let ledger = LedgerReport { received: 5, delivered: 3, express: 1, ..LedgerReport::default() };
    let mut lost = Losses::default();
    lost.add(Reason::QueueFull, 2);
    let report = StatsReport {
        version: VERSION,
        uptime_ns: 7,
        ports: vec![PortReport {
            name: "v1".into(),
            role: Role::Vif,
            state: State::Up,
            problem: None,
            mode: Attached::Gate,
            rx: Traffic { frames: 5, bytes: 320, superframes: 1 },
            tx: Traffic::default(),
            passed: Traffic::default(),
            lanes: Lanes {
                express: Amount::new(1, 64),
                scheduled: Amount::new(4, 256),
                bridge: Amount::default(),
            },
            tx_lanes: TxLanes::default(),
            link: Some(LinkLane {
                lane: LaneNow::Scheduled,
                closings: 3,
                charged: Amount::new(2, 128),
                ahead_ns: 5,
            }),
            losses: lost.by_name(),
            queued: Queued::default(),
            promise: Promise { weight: 4, release: "eager".into(), ..Promise::default() },
            links: vec![LinkShare { to: "nic0".into(), frames: 3, ..LinkShare::default() }],
            containers: Containers {
                released: [("full".to_owned(), 2)].into(),
                packets: 3,
                bytes: 192,
                wait_ns: 0,
            },
            counters: BTreeMap::new(),
        }],
        ledger: ledger.with_lost(&lost),
        worker: vec![WorkerReport { regimes: Regimes::of(1, 2, 1), ..Default::default() }],
        ..StatsReport::default()
    };
    let json = serde_json::to_value(&report).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "uptime_ns": 7,
        "ports": [{
            "name": "v1", "role": "vif", "state": "up", "mode": "gate",
            "rx": {"frames": 5, "bytes": 320, "superframes": 1},
            "tx": {"frames": 0, "bytes": 0, "superframes": 0},
            "passed": {"frames": 0, "bytes": 0, "superframes": 0},
            "lanes": {
                "express": {"frames": 1, "bytes": 64},
                "scheduled": {"frames": 4, "bytes": 256},
                "bridge": {"frames": 0, "bytes": 0},
            },
            "tx_lanes": {
                "express": {"frames": 0, "bytes": 0},
                "scheduled": {"frames": 0, "bytes": 0},
            },
            "link": {
                "lane": "scheduled", "closings": 3,
                "charged": {"frames": 2, "bytes": 128}, "ahead_ns": 5,
            },
            "losses": {"queue_full": 2},
            "queued": {"packets": 0, "bytes": 0},
            "promise": {
                "weight": 4, "min_rate_bps": 0, "max_rate_bps": 0, "rate_bps": 0,
                "queue_bytes": 0, "release": "eager", "timeout_ns": 0,
                "work_conserving": false, "worker": 0,
            },
            "links": [{
                "to": "nic0", "frames": 3, "bytes": 0,
                "queued": {"packets": 0, "bytes": 0}, "shed": false,
            }],
            "containers": {
                "released": {"full": 2}, "packets": 3, "bytes": 192, "wait_ns": 0,
            },
            "counters": {},
        }],
        "ledger": {
            "received": 5, "copies": 0, "delivered": 3, "express": 1, "passed": 0, "lost": 2,
            "in_flight": 0, "balanced": true, "lost_by_reason": {"queue_full": 2},
        },
        "worker": [{
            "core": 0, "idle": "adaptive", "turns": 0, "broken_invariants": 0, "kicks": 0,
            "limited": {"ns": 0, "share_permille": 0, "now_permille": 0},
            "regimes": {
                "busy": {"ns": 1, "share_permille": 250},
                "idle": {"ns": 2, "share_permille": 500},
                "back_pressured": {"ns": 1, "share_permille": 250},
            },
        }],
        "frames": {"total": 0, "free": 0, "fill": 0, "rx": 0, "held": 0, "tx": 0},
        "fdb": {"entries": 0, "capacity": 0},
        "broken_invariants": 0,
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<StatsReport>(json).unwrap(), report);
}

#[test]
fn a_ledger_that_does_not_balance_says_by_how_much() {
    let report = LedgerReport { received: 3, delivered: 5, ..LedgerReport::default() };
    assert_eq!(report.balance(), -2);
    assert_eq!(Regimes::of(0, 0, 0), Regimes::default());
}

#[test]
fn an_older_weir_s_answer_has_no_lanes() {
    let port = serde_json::json!({
        "name": "v1", "role": "vif", "state": "up", "mode": "gate",
        "rx": {"frames": 5, "bytes": 320}, "tx": {"frames": 0, "bytes": 0},
        "passed": {"frames": 0, "bytes": 0}, "losses": {},
    });
    let port: PortReport = serde_json::from_value(port).unwrap();
    assert_eq!((port.lanes, port.tx_lanes), (Lanes::default(), TxLanes::default()));
}
