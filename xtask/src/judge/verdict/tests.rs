use super::{Story, compare};

fn story(lines: &[&str]) -> Story {
    let mut story = Story::default();
    for line in lines {
        story.hear(line).unwrap();
    }
    story
}

const PLAIN: [&str; 4] = [
    "JUDGE begin bridge_a",
    "JUDGE line TEST: ping                                [ OK ]",
    "JUDGE line TEST: ping                                [ OK ]",
    "JUDGE end bridge_a 0 12",
];

fn judged(weir: &[&str]) -> (String, bool) {
    let (plain, weir) = (story(&PLAIN).outcomes, story(weir).outcomes);
    compare(&["bridge_a".to_owned()], &plain, Some(&weir))
}

#[test]
fn the_same_with_weir_at_the_gate_holds() {
    let mut lines = PLAIN.to_vec();
    lines.insert(3, "JUDGE weir 2 66 15 0");
    let (table, holds) = judged(&lines);
    assert!(holds, "{table}");
    assert!(table.contains("2 ports, 66 frames, 15 to the bridge"), "{table}");
}

#[test]
fn a_pass_beside_weir_does_not_hold() {
    let mut lines = PLAIN.to_vec();
    assert!(!judged(&lines).1, "weir was never there");
    lines.insert(3, "JUDGE weir 0 0 0 0");
    assert!(!judged(&lines).1, "it had no port");
    lines[3] = "JUDGE weir 2 0 0 0";
    assert!(!judged(&lines).1, "it saw no frame");
}

#[test]
fn one_of_two_parts_of_a_name_that_fails_is_worse() {
    let mut lines = PLAIN.to_vec();
    lines[2] = "JUDGE line TEST: ping                       [FAIL]";
    lines.insert(3, "JUDGE weir 2 66 15 0");
    let (table, holds) = judged(&lines);
    assert!(!holds && table.contains("bridge_a: ping"), "{table}");
}

#[test]
fn a_weir_that_died_and_a_test_that_did_not_end_are_worse() {
    let mut lines = PLAIN.to_vec();
    lines.insert(3, "JUDGE weir 2 66 15 0");
    assert!(judged(&lines).1);
    lines.insert(4, "JUDGE died of a fault");
    assert!(!judged(&lines).1);
    assert!(!judged(&lines[..2]).1, "no end");
}

#[test]
fn what_stands_before_the_word_on_a_line_is_no_part_of_it() {
    let broken = story(&[]).hear("[    1.2] x JUDGE broken no disk").unwrap_err();
    assert_eq!(broken.to_string(), "the guest does not work: no disk");
}
