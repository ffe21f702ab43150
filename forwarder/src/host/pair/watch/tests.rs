use super::*;

const UP: EndState = EndState { up: true, mtu: 65_535 };
const WHOLE: State = State { outer: Some(UP), inner: Some(UP), kept: true };

#[test]
fn nothing_happened() {
    assert_eq!(changes(WHOLE, WHOLE), []);
    let none = State { outer: None, inner: None, kept: false };
    assert_eq!(changes(none, none), []);
}

#[test]
fn each_change_is_one_event() {
    let down = Some(EndState { up: false, ..UP });
    let small = Some(EndState { mtu: 1500, ..UP });
    for (now, event) in [
        (State { outer: None, ..WHOLE }, PairEvent::Gone(End::Outer)),
        (State { inner: None, ..WHOLE }, PairEvent::Gone(End::Inner)),
        (State { outer: down, ..WHOLE }, PairEvent::Down(End::Outer)),
        (State { inner: down, ..WHOLE }, PairEvent::Down(End::Inner)),
        (State { inner: small, ..WHOLE }, PairEvent::Mtu { end: End::Inner, mtu: 1500 }),
        (State { kept: false, ..WHOLE }, PairEvent::NotKept),
    ] {
        assert_eq!(changes(WHOLE, now), [event]);
    }
}

#[test]
fn an_end_comes_up_again_and_the_mount_comes_back() {
    let down = State { inner: Some(EndState { up: false, ..UP }), kept: false, ..WHOLE };
    assert_eq!(changes(down, WHOLE), [PairEvent::Up(End::Inner), PairEvent::Kept]);
}

#[test]
fn a_deleted_pair_is_two_ends_and_not_news_for_ever() {
    let gone = State { outer: None, inner: None, kept: true };
    let events = changes(WHOLE, gone);
    assert_eq!(events, [PairEvent::Gone(End::Outer), PairEvent::Gone(End::Inner)]);
    assert_eq!(changes(gone, gone), []);
}
