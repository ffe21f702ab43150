use super::*;

const TEXT: &str = r#"
id = "A-E1"

[scene]
vms = 2
traffic = [
    { from = "vm1" },
    { from = "vm2",
      stop = 3 },
]

[[check]]
what = "one"

[[check]]
what = "two"
value = { peer = "weir" }
"#;

#[test]
fn a_place_has_a_line() {
    for (at, line) in [
        ("id", 2),
        ("scene", 4),
        ("scene.vms", 5),
        ("scene.traffic.0", 7),
        ("scene.traffic.1.stop", 9),
        ("scene.traffic.1.start", 8),
        ("scene.traffic.7", 6),
        ("scene.vms.0.weight", 5),
        ("check.0", 12),
        ("check.1.value.peer", 17),
    ] {
        assert_eq!(line_of(TEXT, at), Some(line), "{at}");
    }
    assert_eq!(line_of(TEXT, ""), None);
    assert_eq!(line_of(TEXT, "figure.0"), None);
    assert_eq!(line_of("no toml", "id"), None);
}

#[test]
fn a_problem_is_a_sentence() {
    let problem = Problem::new("scene.traffic.1.stop", "is before its start");
    insta::assert_snapshot!(
        problem.shown(TEXT),
        @"line 9: scene.traffic 2.stop: is before its start"
    );
    assert_eq!(Problem::new("", "is odd").shown(TEXT), "is odd");
}
