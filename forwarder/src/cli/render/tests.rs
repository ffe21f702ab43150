use super::*;

#[test]
fn numbers() {
    let groups = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
    for (number, text) in groups {
        assert_eq!(grouped(number), text);
    }
    assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    for (number, text) in [
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (1999, "1.99k"),
        (99_990, "99.9k"),
        (999_999, "999k"),
        (1_234_567, "1.23M"),
        (u64::MAX, "18.4E"),
    ] {
        assert_eq!(short(number), text);
    }
    assert_eq!(percent(1000), "100.0 %");
    assert_eq!(uptime(3_723_999_999_999), "01:02:03");
    assert_eq!(uptime(90_000 * 1_000_000_000), "1 d 01:00:00");
}

#[test]
fn words_are_wrapped_and_indented() {
    assert_eq!(wrapped("one two  three", 2, 9), "  one two\n  three\n");
    assert_eq!(wrapped("toolongaword", 2, 5), "  toolongaword\n");
}

#[test]
fn a_table_aligns_by_its_widest_cell() {
    let mut table = Table::new(&["A", ">NUMBER"]);
    table.row(vec!["é".into(), "1".into()]);
    table.row(vec!["long".into(), "1234567".into()]);
    assert_eq!(table.render(), "A      NUMBER\né           1\nlong  1234567\n");
}
