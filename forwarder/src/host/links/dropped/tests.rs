use super::*;

#[test]
fn the_kernels_own_device_is_among_them_and_asked_for_alone() {
    let all = tx_dropped(None).unwrap();
    // `lo` is the first interface of every namespace.
    assert!(all.contains_key(&1), "{all:?}");
    assert_eq!(tx_dropped(Some(1)).unwrap().len(), 1);
}

#[test]
fn a_torn_answer_is_passed_over() {
    assert_eq!(read(&[0; 11]), None);
    assert_eq!(read(&[0; 12]), None);
}
