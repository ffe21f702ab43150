use super::*;
use weir_api::{CensusReport, LedgerReport};

fn good() -> StatsReport {
    let ledger = LedgerReport {
        received: 10,
        copies: 2,
        delivered: 8,
        passed: 1,
        lost: 3,
        balanced: true,
        lost_by_reason: [("queue_full".to_owned(), 3)].into(),
        ..LedgerReport::default()
    };
    let frames = CensusReport { total: 8, free: 4, fill: 3, tx: 1, ..CensusReport::default() };
    StatsReport { ledger, frames, ..StatsReport::default() }
}

#[test]
fn accepts_only_exact_sums() {
    assert_eq!(check(&good()), Ok(()));
    let spoil: [fn(&mut StatsReport); 6] = [
        |stats| stats.ledger.delivered = 7,
        |stats| stats.ledger.in_flight = 1,
        |stats| stats.ledger.balanced = false,
        |stats| stats.ledger.lost_by_reason.clear(),
        |stats| stats.frames.free = 5,
        |stats| stats.broken_invariants = 1,
    ];
    for spoil in spoil {
        let mut bad = good();
        spoil(&mut bad);
        assert!(check(&bad).is_err(), "{bad:?}");
    }
}
