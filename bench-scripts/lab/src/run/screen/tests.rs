use super::*;
use crate::run::tests::testing;

#[test]
fn names_cells() {
    let experiment = testing::experiment(2, 2, 10);
    let mut place = testing::cells(2, 2, 2)[7].place.clone();
    assert_eq!(named(&place, &experiment, false), "X-1 peer1, 2 Mb/s, 2 of 10");
    place.variant = "small".to_owned();
    place.x = None;
    assert_eq!(named(&place, &experiment, true), "X-1 peer1, small");
}

#[test]
fn lines_are_short() {
    let (mut progress, mut findings) = (Vec::new(), Vec::new());
    let mut screen = Screen::new(false, 12, &mut progress, &mut findings);
    screen.bar.inc(3);
    screen.begin("X-1 weir", 0.0);
    screen.over("X-1 weir", "10.3 s", 60.0);
    screen.over(&"long ".repeat(40), "10.3 s", 20_000.0);
    screen.finding("holds");
    screen.bar.finish_and_clear();
    let progress = String::from_utf8(progress).unwrap();
    assert!(progress.lines().all(|line| line.chars().count() <= COLUMNS), "{progress}");
    insta::assert_snapshot!(progress, @"
        [4/12] X-1 weir: 10.3 s, 60 s left
        [5/12] long long long long long long long long long long long long long lo…: 10.3 s, 5 h 34 min left
        ");
    assert_eq!(findings, b"holds\n");
}

#[test]
fn shortens_to_one_line() {
    assert_eq!(shortened("as it is\nand more", 100), "as it is");
    assert_eq!(shortened("äöüß", 4), "äöüß");
    assert_eq!(shortened("äöüßä", 4), "äöü…");
    assert_eq!(shortened("", 4), "");
}
