use super::*;

fn state() -> State {
    State::new(View::Vifs, Duration::from_secs(1))
}

fn sorted_by(state: &State) -> &'static str {
    columns(state.view)[state.order().column].id
}

#[test]
fn columns_are_gone_through_both_ways_and_around() {
    let mut state = state();
    assert_eq!(sorted_by(&state), "name");
    state.apply(Action::Reverse);
    assert!(state.order().reversed);
    assert_eq!(state.apply(Action::NextColumn), Then::Draw);
    assert_eq!(sorted_by(&state), "rx", "a state is no order");
    assert!(!state.order().reversed, "a new column begins with its own order");
    state.apply(Action::PreviousColumn);
    state.apply(Action::PreviousColumn);
    assert_eq!(sorted_by(&state), "max");
    let mut seen = 0;
    for _ in 0..columns(View::Vifs).len() {
        state.apply(Action::NextColumn);
        seen += usize::from(sorted_by(&state) == "max");
    }
    assert_eq!(seen, 1);
}

#[test]
fn every_view_keeps_its_order_and_flows_are_asked_for_at_once() {
    let mut state = state();
    state.sort_by("LOST").unwrap();
    assert_eq!(state.apply(Action::NextView), Then::Ask);
    assert_eq!((state.view, sorted_by(&state)), (View::Flows, "rate"));
    state.sort_by("BIT/S").unwrap();
    let valid = state.sort_by("rx").unwrap_err();
    assert!(valid.starts_with("vif, proto, source, destination, rate, "), "{valid}");
    state.apply(Action::PreviousView);
    assert_eq!((state.view, sorted_by(&state)), (View::Vifs, "lost"));
    assert_eq!(state.apply(Action::Show(View::Losses)), Then::Draw);
    assert_eq!(sorted_by(&state), "frames");
    state.apply(Action::Hold);
    assert_eq!(state.apply(Action::Show(View::Flows)), Then::Draw, "held is held");
    assert_eq!(state.apply(Action::Hold), Then::Ask);
}

#[test]
fn the_interval_goes_in_steps_between_its_bounds() {
    let mut state = State::new(View::Vifs, Duration::from_millis(700));
    assert_eq!(state.apply(Action::Slower), Then::Reschedule);
    assert_eq!(state.interval, Duration::from_secs(1));
    state.apply(Action::Faster);
    assert_eq!(state.interval, Duration::from_millis(500));
    for _ in 0..20 {
        state.apply(Action::Faster);
    }
    assert_eq!(state.interval, SHORTEST);
    for _ in 0..20 {
        state.apply(Action::Slower);
    }
    assert_eq!(state.interval, Duration::from_secs(300));
    state.interval = LONGEST;
    state.apply(Action::Slower);
    assert_eq!(state.interval, LONGEST);
}

#[test]
fn a_filter_is_written_kept_and_cleared() {
    let mut state = state();
    state.scrolled = 3;
    for edit in [Edit::Begin, Edit::Type('v'), Edit::Type('x'), Edit::Erase, Edit::Keep] {
        state.apply(Action::Filter(edit));
    }
    assert_eq!((state.filter.as_str(), state.editing, state.scrolled), ("v", false, 0));
    for _ in 0..100 {
        state.apply(Action::Filter(Edit::Type('y')));
    }
    assert_eq!(state.filter.len(), FILTER_CHARS);
    state.apply(Action::Filter(Edit::Clear));
    assert!(state.filter.is_empty());
}

#[test]
fn esc_leaves_the_help_first_and_scrolling_ends_at_the_last_row() {
    let mut state = state();
    state.apply(Action::Help);
    assert_eq!(state.apply(Action::Leave), Then::Draw);
    assert_eq!(state.apply(Action::Leave), Then::Quit);
    state.apply(Action::Scroll(Scroll::Last));
    state.settle(5);
    assert_eq!(state.scrolled, 4);
    state.apply(Action::Scroll(Scroll::PageUp));
    state.settle(0);
    assert_eq!(state.scrolled, 0);
}
