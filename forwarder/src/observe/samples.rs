//! Reports of an imaginary forwarder, for tests.

use std::collections::BTreeMap;

use weir_core::{Idle, Role};

use weir_api::{
    Amount, Attached, CensusReport, Containers, FdbReport, Lanes, LedgerReport, Limited, LinkShare,
    PortReport, Promise, Queued, Regimes, State, StatsReport, Traffic, TxLanes, VERSION,
    WorkerReport,
};

pub(crate) fn losses(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(name, frames)| ((*name).to_owned(), *frames)).collect()
}

pub(crate) fn port(name: &str, role: Role, rx: u64, tx: u64) -> PortReport {
    PortReport {
        name: name.to_owned(),
        role,
        state: State::Up,
        problem: None,
        mode: Attached::Gate,
        rx: traffic(rx),
        tx: traffic(tx),
        passed: Traffic::default(),
        lanes: Lanes { scheduled: traffic(rx).amount(), ..Lanes::default() },
        tx_lanes: TxLanes { scheduled: traffic(tx).amount(), ..TxLanes::default() },
        link: None,
        losses: BTreeMap::new(),
        queued: Queued::default(),
        promise: Promise { weight: 1, release: "eager".to_owned(), ..Promise::default() },
        links: Vec::new(),
        containers: Containers::default(),
        counters: BTreeMap::new(),
    }
}

/// Frames of 1000 bytes.
fn traffic(frames: u64) -> Traffic {
    Traffic { frames, bytes: frames * 1000, superframes: 0 }
}

/// An uplink and two vifs, one of them gone, after 1 h 02 min 03 s.
pub(crate) fn report() -> StatsReport {
    let mut v1 = port("v1", Role::Vif, 1_234_567, 1_000_000);
    v1.losses = losses(&[("queue_full", 4_000), ("no_egress", 7)]);
    let mut v2 = port("vnet-0123456789", Role::Vif, 12, 0);
    (v2.state, v2.mode) = (State::Gone, Attached::None);
    v2.losses = losses(&[("port_gone", 5), ("no_egress", 1)]);
    StatsReport {
        version: VERSION,
        uptime_ns: 3_723_000_000_000,
        ports: vec![port("nic0", Role::Uplink, 1_000_000, 1_230_560), v1, v2],
        ledger: LedgerReport {
            received: 2_234_579,
            copies: 3,
            delivered: 2_230_560,
            express: 0,
            passed: 2,
            lost: 4_013,
            in_flight: 7,
            balanced: true,
            lost_by_reason: losses(&[("queue_full", 4_000), ("no_egress", 8), ("port_gone", 5)]),
        },
        worker: vec![WorkerReport {
            core: 1,
            idle: Idle::Adaptive,
            regimes: Regimes::of(123, 876, 1),
            limited: Limited { ns: 100, share_permille: 100, now_permille: 0 },
            turns: 1_000_000,
            kicks: 50_000,
            broken_invariants: 0,
        }],
        frames: CensusReport { total: 8192, free: 6100, fill: 2048, rx: 1, held: 36, tx: 7 },
        fdb: FdbReport { entries: 3, capacity: 16_384 },
        broken_invariants: 0,
    }
}

/// The same with a shaped uplink that v1 floods.
pub(crate) fn shared() -> StatsReport {
    let link = |to: &str, bytes| LinkShare {
        to: to.to_owned(),
        frames: bytes / 1000,
        bytes,
        ..LinkShare::default()
    };
    let mut report = report();
    let [nic0, v1, v2] = report.ports.as_mut_slice() else { return report };
    nic0.promise.rate_bps = 200_000_000;
    nic0.links = vec![link("v1", 3_000)];
    v1.promise.weight = 4;
    (v1.promise.min_rate_bps, v1.promise.max_rate_bps) = (20_000_000, 500_000_000);
    v1.promise.release = "adaptive".to_owned();
    v1.losses.insert("shed".to_owned(), 4_000);
    v1.links = vec![LinkShare {
        queued: Queued { packets: 12, bytes: 12_345 },
        shed: true,
        ..link("nic0", 4_000_000)
    }];
    v1.containers = Containers {
        released: losses(&[("full", 910), ("idle", 89), ("flush", 1)]),
        packets: 4_000,
        bytes: 4_000_000,
        wait_ns: 12_345_000,
    };
    v2.links = vec![link("nic0", 1_000_000), link("v1", 0)];
    report
}

/// As in [`report`], plus 300,000 frames of v1 that the gate handed over, two thirds of them to the
/// uplink, and twelve that it left to the bridge.
pub(crate) fn express() -> StatsReport {
    let mut report = report();
    let [nic0, v1, v2] = report.ports.as_mut_slice() else { return report };
    (v1.passed.frames, v1.passed.bytes) = (12, 720);
    v1.lanes.bridge = Amount::new(12, 720);
    sent_express(v1, 300_000);
    for (port, frames) in [(nic0, 200_000), (v2, 100_000)] {
        port.tx_lanes.express += traffic(frames).amount();
        port.tx += traffic(frames);
    }
    let ledger = &mut report.ledger;
    ledger.received += 300_012;
    ledger.delivered += 300_000;
    ledger.express = 300_000;
    ledger.passed += 12;
    report
}

/// Adds this many frames of 1000 bytes that the port sent by the express lane.
pub(crate) fn sent_express(port: &mut PortReport, frames: u64) {
    port.lanes.express += traffic(frames).amount();
    port.rx += traffic(frames);
}
