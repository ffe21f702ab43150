use super::*;

const START_NS: u64 = 77;

fn waiting(drops: bool) -> Line {
    let mut line = Line::new(8, drops);
    line.push(3);
    line
}

#[test]
fn what_waits_for_a_tap_waits_for_a_second() {
    let mut line = waiting(true);
    for after_ns in [0, PATIENCE_NS / 2, PATIENCE_NS - 1] {
        assert!(!line.refuse(START_NS + after_ns), "{after_ns}");
    }
    assert!(line.refuse(START_NS + PATIENCE_NS));
}

#[test]
fn a_tap_that_took_something_has_another_second() {
    let mut line = waiting(true);
    assert!(!line.refuse(START_NS));
    line.wait_anew();
    assert!(!line.refuse(START_NS + PATIENCE_NS));
    assert!(!line.refuse(START_NS + 2 * PATIENCE_NS - 1));
    assert!(line.refuse(START_NS + 2 * PATIENCE_NS));
}

#[test]
fn superframes_join_the_line_of_a_tap_that_has_taken_nothing_for_a_while() {
    let mut line = waiting(true);
    let refuse = |line: &mut Line, after_ns| (line.refuse(START_NS + after_ns), line.is_stuck());
    assert_eq!(refuse(&mut line, 0), (false, false));
    assert_eq!(refuse(&mut line, REFUSED_NS), (false, false));
    assert_eq!(refuse(&mut line, REFUSED_NS + 1), (false, true));
    line.wait_anew();
    assert!(!line.is_stuck());
    assert_eq!(refuse(&mut line, PATIENCE_NS), (false, false));
}

#[test]
fn what_waits_for_a_veth_waits_as_long_as_it_takes() {
    let mut line = waiting(false);
    for second in 0..100 {
        assert!(!line.refuse(START_NS + second * PATIENCE_NS), "{second}");
        assert!(!line.is_stuck());
    }
}
