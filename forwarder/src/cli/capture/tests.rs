use super::*;

#[test]
fn the_line_says_what_is_there_and_what_is_not() {
    let counts = Counts { packets: 1234, bytes: 98_765, missed: 7 };
    assert_eq!(line(counts), "1,234 packets, 98,765 bytes, 7 missed");
    assert!(line(Counts { packets: 1, ..counts }).starts_with("1 packet,"));
}
