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
fn what_waits_for_a_veth_waits_as_long_as_it_takes() {
    let mut line = waiting(false);
    for second in 0..100 {
        assert!(!line.refuse(START_NS + second * PATIENCE_NS), "{second}");
    }
}
