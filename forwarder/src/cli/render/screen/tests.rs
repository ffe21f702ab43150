use super::*;

#[test]
fn on_a_terminal_a_picture_replaces_the_one_before() {
    let (mut out, size) = (Vec::new(), Size { columns: 4, rows: 3 });
    {
        let mut screen = Screen::new(&mut out, true);
        screen.draw("abcdef\ng\n", size).unwrap();
        screen.draw("x\ny\nz\n", size).unwrap();
    }
    let expected = "\x1b[?25labcd\x1b[K\r\ng\x1b[K\r\n\x1b[J\
                        \x1b[?25l\r\x1b[2Ax\x1b[K\r\ny\x1b[K\r\n\x1b[J\x1b[?25h";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn elsewhere_pictures_are_plain_lines() {
    let (mut out, size) = (Vec::new(), Size { columns: 4, rows: 3 });
    {
        let mut screen = Screen::new(&mut out, false);
        screen.draw("abcdef\n", size).unwrap();
        screen.draw("x\n", size).unwrap();
    }
    assert_eq!(String::from_utf8(out).unwrap(), "abcdef\n\nx\n");
}
