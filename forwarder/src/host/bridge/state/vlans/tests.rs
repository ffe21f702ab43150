use super::*;

fn range(first: u16, last: u16, untagged: bool) -> VlanRange {
    let flags = VlanFlags::new(false, untagged);
    VlanRange { first, last, flags }
}

fn pvid(vid: u16) -> VlanRange {
    let mut range = range(vid, vid, true);
    range.flags.pvid = true;
    range
}

#[test]
fn equal_memberships_are_equal_however_they_came_to_be() {
    let mut one = VlanSet::from_iter([range(10, 20, false)]);
    let mut other: VlanSet = (10..=20).rev().map(|vid| range(vid, vid, false)).collect();
    assert_eq!(one, other);
    one.remove(12, 14);
    other.remove(14, 14);
    assert_ne!(one, other);
    other.remove(12, 13);
    assert_eq!(one, other);
    assert_eq!(one.spans(|_| true), [(10, 11), (15, 20)]);
    one.set(range(12, 14, true));
    assert_eq!(one.spans(|_| true), [(10, 20)]);
    assert_eq!(one.spans(|flags| flags.untagged), [(12, 14)]);
    assert!(one.get(13).unwrap().untagged && !one.get(15).unwrap().untagged);
    assert_eq!((one.get(9), one.get(21)), (None, None));
}

#[test]
fn there_is_one_pvid() {
    let mut set = VlanSet::from_iter([pvid(1), range(5, 9, false)]);
    assert_eq!(set.pvid(), Some(1));
    set.set(pvid(7));
    assert_eq!(set.pvid(), Some(7));
    assert!(set.get(1).is_some_and(|flags| !flags.pvid && flags.untagged));
    set.remove(0, 4095);
    assert_eq!(set, VlanSet::default());
    assert_eq!(set.pvid(), None);
}

#[test]
fn options_outlive_a_list_that_does_not_carry_them() {
    let mut blocked = range(10, 12, false);
    blocked.flags.state = StpState::BLOCKING;
    let old = VlanSet::from_iter([pvid(1), blocked]);
    let new = old.with_members(&VlanSet::from_iter([pvid(1), range(11, 14, true)]));
    assert_eq!(new.get(10), None);
    assert_eq!(new.get(12).unwrap().state, StpState::BLOCKING);
    assert!(new.get(12).unwrap().untagged);
    assert_eq!(new.get(13).unwrap().state, StpState::FORWARDING);
    assert_eq!(new.pvid(), Some(1));
    assert_eq!(new.with_members(&new), new);
}

#[test]
fn the_ends_of_the_range_do_not_overflow() {
    let mut set = VlanSet::from_iter([range(0, u16::MAX, false)]);
    set.remove(0, 0);
    set.remove(u16::MAX, u16::MAX);
    assert_eq!(set.spans(|_| true), [(1, u16::MAX - 1)]);
    set.set(range(9, 3, true));
    assert_eq!(set.spans(|flags| flags.untagged), []);
}
