use super::*;

#[test]
fn a_place_is_counted_in_characters_and_tabs_do_not_move_the_caret() {
    let text = "a = 1\r\n\tö = \"né\" # x\r\n";
    let start = text.find('"').unwrap();
    let at = Problems::new(Some(("f", text))).locate(&(start..start + 5)).unwrap();
    assert_eq!((at.line, at.column, at.width), (2, 6, 4));
    assert_eq!(at.source_line, " ö = \"né\" # x");
    let end = Problems::new(Some(("f", text))).locate(&(999..999)).unwrap();
    assert_eq!((end.line, end.column, end.width), (3, 1, 1));
}

#[test]
fn problems_without_a_file_stay_on_one_line() {
    let errors = ConfigErrors::argument("--worker", "there is no core 9", "valid: 0, 1");
    assert_eq!(errors.to_string(), "--worker: there is no core 9; valid: 0, 1");
}
