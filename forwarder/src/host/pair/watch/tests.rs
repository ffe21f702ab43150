use super::*;
use crate::host::links::LinkKind;
use crate::host::links::testing::link;

fn up() -> Option<Link> {
    Some(link(2, "w0", LinkKind::Veth))
}

fn whole() -> State {
    State { outer: up(), inner: up(), kept: true }
}

#[test]
fn nothing_happened() {
    assert_eq!(changes(&whole(), &whole()), []);
    let none = State { outer: None, inner: None, kept: false };
    assert_eq!(changes(&none, &none), []);
}

#[test]
fn each_change_is_one_event() {
    let down = up().map(|end| Link { up: false, ..end });
    let small = up().map(|end| Link { mtu: 1400, ..end });
    for (now, event) in [
        (State { outer: None, ..whole() }, PairEvent::Gone(End::Outer)),
        (State { inner: None, ..whole() }, PairEvent::Gone(End::Inner)),
        (State { outer: down.clone(), ..whole() }, PairEvent::Down(End::Outer)),
        (State { inner: down, ..whole() }, PairEvent::Down(End::Inner)),
        (State { inner: small, ..whole() }, PairEvent::Mtu { end: End::Inner, mtu: 1400 }),
        (State { kept: false, ..whole() }, PairEvent::NotKept),
    ] {
        assert_eq!(changes(&whole(), &now), [event]);
    }
}

#[test]
fn the_mount_comes_back() {
    let taken = State { kept: false, ..whole() };
    assert_eq!(changes(&taken, &whole()), [PairEvent::Kept]);
}

#[test]
fn a_deleted_pair_is_two_ends_and_not_news_for_ever() {
    let gone = State { outer: None, inner: None, kept: true };
    let events = changes(&whole(), &gone);
    assert_eq!(events, [PairEvent::Gone(End::Outer), PairEvent::Gone(End::Inner)]);
    assert_eq!(changes(&gone, &gone), []);
}
