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
    let mut lost = Losses::default();
    lost.add(Reason::QueueFull, 2);
    lost += lost;
    assert_eq!(lost.iter().collect::<Vec<_>>(), [(Reason::QueueFull, 4)]);
    assert_eq!(format!("{lost:?}"), "{\"queue_full\": 4}");
}
