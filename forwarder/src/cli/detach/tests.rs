use super::*;

#[test]
fn says_what_was_removed() {
    let links = Snapshot::default();
    let nothing = "no weir that died has left anything in this network namespace\n";
    assert_eq!(text(&Removed::default(), &links), nothing);
    let removed = Removed {
        gates: vec![7],
        pairs: vec!["w0-37ac9e6c".into()],
        settings: 2,
        refused: Vec::new(),
    };
    let expected = "\
interface 7 (gone): its gate is taken off
w0-37ac9e6c: removed, with its other end and their namespace
settings: 2 put back
";
    assert_eq!(text(&removed, &links), expected);
}
