use super::*;
use std::collections::HashSet;

#[test]
fn reasons_are_told_apart() {
    let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(names.len(), Reason::COUNT);
    for (at, reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, at);
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
    ledger.delivered += 1;
    assert_eq!(ledger.balance(), -1);
    ledger.lost += ledger.lost;
    assert_eq!(ledger.lost.iter().collect::<Vec<_>>(), [(Reason::QueueFull, 4)]);
    assert_eq!(format!("{:?}", ledger.lost), "{\"queue_full\": 4}");
}
