use super::*;

#[test]
fn the_own_mount_namespace_is_always_a_place() {
    let places = places();
    assert_eq!(places.iter().filter(|place| place.elsewhere.is_none()).count(), 1);
}

#[test]
fn the_parent_is_read_from_the_status() {
    assert_eq!(parent_in("Name:\tPPid: x\nPid:\t9\nPPid:\t42\n"), Some(42));
    assert_eq!(parent_in("Name:\tx\n"), None);
}

#[test]
fn ancestors_begin_with_the_parent_and_end() {
    let above = ancestors();
    assert!(above.len() <= 64 && !above.contains(&1), "{above:?}");
}
