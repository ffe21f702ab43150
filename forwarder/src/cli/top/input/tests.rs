use super::*;

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn ctrl(character: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::CONTROL))
}

#[test]
fn keys_are_commands_unless_a_filter_is_written() {
    let q = key(KeyCode::Char('q'));
    assert_eq!(action(&q, false), Some(Action::Quit));
    assert_eq!(action(&q, true), Some(Action::Filter(Edit::Type('q'))));
    assert_eq!(action(&key(KeyCode::Esc), false), Some(Action::Leave));
    assert_eq!(action(&key(KeyCode::Esc), true), Some(Action::Filter(Edit::Clear)));
    assert_eq!(action(&key(KeyCode::Right), false), Some(Action::NextColumn));
    assert_eq!(action(&key(KeyCode::Right), true), None);
    let capital = KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT);
    assert_eq!(action(&Event::Key(capital), false), Some(Action::PreviousColumn));
}

#[test]
fn ctrl_c_ends_it_whatever_is_going_on() {
    for editing in [false, true] {
        assert_eq!(action(&ctrl('c'), editing), Some(Action::Quit));
        assert_eq!(action(&Event::Resize(80, 24), editing), Some(Action::Redraw));
        assert_eq!(action(&ctrl('x'), editing), None);
        assert_eq!(action(&Event::FocusLost, editing), None);
    }
    let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    released.kind = KeyEventKind::Release;
    assert_eq!(action(&Event::Key(released), false), None);
}
