use super::*;

#[test]
fn changes_are_stored_when_the_last_is_over() {
    let changes = PendingChanges::default();
    assert!(changes.are_stored());
    let one = changes.begin();
    let other = changes.clone().begin();
    drop(one);
    assert!(!changes.are_stored());
    drop(other);
    assert!(changes.are_stored());
}
