use super::*;

#[test]
fn on_a_terminal_a_picture_replaces_the_one_before() {
    let mut screen = Screen { terminal: true, drawn: 0 };
    let first = screen.next("abcdef\ng\n", 2);
    assert_eq!(first, format!("{BEGIN}\x1b[2Kabcdef\r\n\x1b[2Kg\r\n\x1b[J"));
    let second = screen.next("x\ny\nz\n", 2);
    assert_eq!(second, format!("{BEGIN}\r\x1b[2A\x1b[2Kx\r\n\x1b[2Ky\r\n\x1b[J"));
    assert!(screen.next("x\n", 1).contains("\r\x1b[1A"), "the window is lower now");
}

#[test]
fn elsewhere_pictures_are_plain_lines() {
    let mut screen = Screen { terminal: false, drawn: 0 };
    assert_eq!(screen.next("abcdef\n", 2), "abcdef\n");
    assert_eq!(screen.next("x\n", 2), "\nx\n");
}
