use super::*;
use std::collections::HashSet;

#[test]
fn reasons_are_told_apart() {
    let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(names.len(), Reason::COUNT);
    for (at, reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(reason.index(), at);
        assert_eq!(Reason::from_name(reason.name()), Some(*reason));
        assert!(reason.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        assert!(reason.describe().ends_with('.') && reason.describe().len() > 40);
    }
    assert_eq!(Reason::from_name("evaporated"), None);
}

#[test]
fn sums() {
    let mut ledger =
        Ledger { received: 10, copies: 2, delivered: 7, passed: 1, ..Ledger::default() };
    ledger.lost.add(Reason::QueueFull, 2);
    assert_eq!(ledger.balance(), 2);
    assert!(ledger.to_string().ends_with("lost 2 + in flight 0 (off by 2)"));
    ledger.in_flight = 2;
    assert!(ledger.balanced());
    let mut twice = ledger;
    twice.merge(&ledger);
    assert!(twice.balanced());
    assert_eq!(twice.received, 20);
    assert_eq!(twice.lost.iter().collect::<Vec<_>>(), [(Reason::QueueFull, 4)]);
    twice.delivered += 1;
    assert_eq!(twice.balance(), -1);
    assert_eq!(format!("{:?}", twice.lost), "{\"queue_full\": 4}");
}
