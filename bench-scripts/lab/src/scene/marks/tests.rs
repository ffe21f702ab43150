use super::*;
use std::time::Instant;

#[test]
fn only_windows_with_both_ends_have_a_difference() {
    let scene = toml::from_str(
        "vms = 1\nwindow = [{ name = 'a', from = 0, to = 1 }, { name = 'b', from = 1, to = 2 }]",
    );
    let mut marks = Marks::new(&Timeline::new(&scene.unwrap(), Instant::now()));
    marks.note(0, Edge::From, 5);
    marks.note(0, Edge::To, 7);
    marks.note(1, Edge::To, 9);
    marks.note(7, Edge::To, 9);
    assert_eq!(
        marks.pairs().map(|(span, from, to)| (span.name.as_str(), *from, *to)).collect::<Vec<_>>(),
        [("a", 5, 7)]
    );
}
