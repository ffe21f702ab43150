use super::*;

#[test]
fn lines_are_as_long_as_they_may_be() {
    assert_eq!(wrap("VM beside a burner", 80), ["VM beside", "a burner"]);
    assert_eq!(wrap("extraordinarily long", 40), ["extraordinarily", "long"]);
    assert!(wrap("", 40).is_empty());
}
