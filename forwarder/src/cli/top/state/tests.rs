use super::*;
use ratatui::crossterm::event::KeyEvent;

fn state() -> State {
    State::new(View::Vifs, Duration::from_secs(1))
}

fn event(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

/// Presses a key that means something.
#[track_caller]
pub(crate) fn press(state: &mut State, code: KeyCode) -> Then {
    state.apply(&event(code, KeyModifiers::NONE)).unwrap()
}

/// Types a text.
pub(crate) fn enter(state: &mut State, text: &str) {
    for character in text.chars() {
        press(state, KeyCode::Char(character));
    }
}

fn sorted_by(state: &State) -> &'static str {
    columns(state.view)[state.order().column].id
}

#[test]
fn columns_are_gone_through_both_ways_and_around() {
    let mut state = state();
    assert_eq!(sorted_by(&state), "name");
    press(&mut state, KeyCode::Char('r'));
    assert!(state.order().reversed);
    assert_eq!(press(&mut state, KeyCode::Right), Then::Draw);
    assert_eq!(sorted_by(&state), "rx", "a state is no order");
    assert!(!state.order().reversed, "a new column begins with its own order");
    press(&mut state, KeyCode::Char('S'));
    press(&mut state, KeyCode::Char('S'));
    assert_eq!(sorted_by(&state), "max");
    let mut seen = 0;
    for _ in 0..columns(View::Vifs).len() {
        press(&mut state, KeyCode::Right);
        seen += usize::from(sorted_by(&state) == "max");
    }
    assert_eq!(seen, 1);
}

#[test]
fn every_view_keeps_its_order_and_flows_are_asked_for_at_once() {
    let mut state = state();
    state.sort_by("LOST").unwrap();
    assert_eq!(press(&mut state, KeyCode::Tab), Then::Ask);
    assert_eq!((state.view, sorted_by(&state)), (View::Flows, "rate"));
    state.sort_by("BIT/S").unwrap();
    let valid = state.sort_by("rx").unwrap_err();
    assert!(valid.starts_with("vif, proto, source, destination, rate, "), "{valid}");
    press(&mut state, KeyCode::BackTab);
    assert_eq!((state.view, sorted_by(&state)), (View::Vifs, "lost"));
    assert_eq!(press(&mut state, KeyCode::Char('3')), Then::Draw);
    assert_eq!(sorted_by(&state), "frames");
    press(&mut state, KeyCode::Char(' '));
    assert_eq!(press(&mut state, KeyCode::Char('2')), Then::Draw, "held is held");
    assert_eq!(press(&mut state, KeyCode::Char(' ')), Then::Ask);
}

#[test]
fn the_interval_goes_in_steps_between_its_bounds() {
    let mut state = State::new(View::Vifs, Duration::from_millis(700));
    assert_eq!(press(&mut state, KeyCode::Char('+')), Then::Reschedule);
    assert_eq!(state.interval, Duration::from_secs(1));
    press(&mut state, KeyCode::Char('-'));
    assert_eq!(state.interval, Duration::from_millis(500));
    for _ in 0..20 {
        press(&mut state, KeyCode::Char('-'));
    }
    assert_eq!(state.interval, SHORTEST);
    for _ in 0..20 {
        press(&mut state, KeyCode::Char('+'));
    }
    assert_eq!(state.interval, Duration::from_secs(300));
    state.interval = LONGEST;
    press(&mut state, KeyCode::Char('+'));
    assert_eq!(state.interval, LONGEST);
}

#[test]
fn a_filter_is_written_kept_and_cleared() {
    let mut state = state();
    state.scrolled = 3;
    enter(&mut state, "/vx");
    press(&mut state, KeyCode::Backspace);
    press(&mut state, KeyCode::Enter);
    assert_eq!((state.filter.as_str(), state.editing, state.scrolled), ("v", false, 0));
    enter(&mut state, &format!("/{}", "q".repeat(100)));
    assert_eq!(state.filter.len(), FILTER_CHARS);
    assert_eq!(state.apply(&event(KeyCode::Right, KeyModifiers::NONE)), None);
    press(&mut state, KeyCode::Esc);
    assert!(state.filter.is_empty() && !state.editing);
}

#[test]
fn esc_leaves_the_help_first_and_scrolling_ends_at_the_last_row() {
    let mut state = state();
    press(&mut state, KeyCode::Char('?'));
    assert_eq!(press(&mut state, KeyCode::Esc), Then::Draw);
    assert_eq!(press(&mut state, KeyCode::Esc), Then::Quit);
    press(&mut state, KeyCode::End);
    state.settle(5);
    assert_eq!(state.scrolled, 4);
    press(&mut state, KeyCode::PageUp);
    state.settle(0);
    assert_eq!(state.scrolled, 0);
}

#[test]
fn ctrl_c_ends_it_whatever_is_going_on() {
    for editing in [false, true] {
        let mut state = State { editing, ..state() };
        let mut ctrl = |c| state.apply(&event(KeyCode::Char(c), KeyModifiers::CONTROL));
        assert_eq!((ctrl('c'), ctrl('x')), (Some(Then::Quit), None));
        assert_eq!(state.apply(&Event::Resize(80, 24)), Some(Then::Redraw));
        assert_eq!(state.apply(&Event::FocusLost), None);
    }
    let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    released.kind = KeyEventKind::Release;
    assert_eq!(state().apply(&Event::Key(released)), None);
}
