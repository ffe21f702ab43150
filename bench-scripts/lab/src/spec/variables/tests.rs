use super::*;
use proptest::prelude::*;

fn variant(set: &str) -> Variant {
    Variant { name: "one".to_owned(), title: None, set: toml::from_str(set).unwrap(), peers: None }
}

fn fill(set: &str, x: Option<f64>, scene: &str) -> Result<String, String> {
    let variant = variant(set);
    let mut variables = Variables::new(Some((0, &variant)), x, 10.0);
    let filled = variables
        .table(&toml::from_str(scene).unwrap(), "scene")
        .and_then(|filled| variables.all_used().map(|()| filled))
        .map_err(|problem| problem.plain())?;
    Ok(toml::to_string(&filled).unwrap().trim().replace('\n', "; "))
}

#[test]
fn variables_have_types() {
    for (set, scene, filled) in [
        ("", "vms = '$x'", "vms = 4"),
        ("", "to = '$seconds * 0.5 + 0.5'", "to = 5.5"),
        ("", "to = '$seconds * 0.5'", "to = 5"),
        ("", "rate = '${x}Mbit'", "rate = \"4Mbit\""),
        ("", "to = 'vm$x'", "to = \"vm4\""),
        ("", "weights = ['$x', 1]", "weights = [4, 1]"),
        ("", "plain = '1 + 1'", "plain = \"1 + 1\""),
        ("who = 'vm2'", "to = '$who'", "to = \"vm2\""),
        ("half = 0.5", "at = '$half'", "at = 0.5"),
        ("half = '$seconds / 2'", "at = '$half - 1'", "at = 4"),
        ("gap = '1 - $x'", "at = '2 - $gap'", "at = 5"),
        ("weights = ['$x', 2]", "weights = '$weights'", "weights = [4, 2]"),
        ("on = true", "urgent = '$on'", "urgent = true"),
        ("load = [{ at = 'vm$x' }]", "load = '$load'", "[[load]]; at = \"vm4\""),
    ] {
        assert_eq!(fill(set, Some(4.0), scene), Ok(filled.to_owned()), "{set}, {scene}");
    }
}

#[test]
fn slips_of_the_pen_are_told() {
    let told = |set, x, scene| fill(set, x, scene).unwrap_err();
    let all = [
        told("", Some(1.0), "vms = '$n'"),
        told("", None, "vms = '$x'"),
        told("", None, "traffic = [{ to = 'vm$' }]"),
        told("", None, "to = '${seconds'"),
        told("a = '$b + 1'\nb = '$a'", None, "at = '$a'"),
        told("a = 1", None, "vms = 2"),
        told("a = '$b'\nb = 1", None, "at = '$b'"),
        told("a = [1]", None, "at = '$a + 1'"),
        told("a = 0", None, "at = '1 / $a'"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
        scene.vms: there is no variable $n: set it in every variant, or use $seconds, $x
        scene.vms: $x is what `vary` varies, and there is no [vary]: add it
        scene.traffic 1.to: in "vm$" no name follows a `$`: write `$name` or `${name}`
        scene.to: in "${seconds" no name follows a `$`: write `$name` or `${name}`
        variant 1.set.b: a variable is made of itself, $a of $b of $a: break the circle
        variant 1.set.a: nothing in [scene] uses $a: use it, or take it out
        variant 1.set.a: nothing in [scene] uses $a: use it, or take it out
        scene.at: $a is a list or a table, which cannot be put into a text: use it as "$a" alone
        scene.at: "1 / $a" comes to 1 / 0, which has no finite value
        "#);
}

#[test]
fn names_of_variables() {
    let told = |set| check_names(&[variant(set)]).unwrap_err().plain();
    let all = [told("max-rate = 1"), told("2x = 1"), told("x = 1"), told("seconds = 1")];
    insta::assert_snapshot!(all.join("\n"), @r#"
        variant 1.set: "max-rate" is no variable's name: use letters, digits and underscores
        variant 1.set: "2x" is no variable's name: use letters, digits and underscores
        variant 1.set: $x has its meaning already: choose another name
        variant 1.set: $seconds has its meaning already: choose another name
        "#);
    assert_eq!(check_names(&[variant("max_rate2 = 1")]), Ok(()));
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in ".{0,30}|[$x{} +0-9a-z]{0,20}") {
        let scene = Table::from_iter([("key".to_owned(), Value::String(text))]);
        let filled = Variables::new(None, Some(2.0), 10.0).table(&scene, "scene");
        if let Ok(filled) = filled {
            prop_assert!(filled["key"].as_str().is_none_or(|text| !text.contains('$')));
        }
    }
}

#[test]
fn products_before_sums_and_from_left_to_right() {
    for (text, expected) in [
        ("7", 7.0),
        ("10 * 0.5 + 0.5", 5.5),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("8 - 3 - 2", 3.0),
        ("8 / 2 / 2", 2.0),
        ("-2 + 3", 1.0),
        ("3 - -2", 5.0),
        ("+1", 1.0),
        (" 2*( 3+-1 ) ", 4.0),
    ] {
        assert_eq!(value(text), Some(expected), "{text}");
    }
}

#[test]
fn anything_else_stays_text() {
    for text in ["", "vm1", "40Mbit", "1 +", "1 2", "(1", "1)", "1e3", "inf", ".", "1..2"] {
        assert_eq!(value(text), None, "{text}");
    }
    assert_eq!(value(&"(".repeat(100_000)), None);
    assert!(value("1 / 0").is_some_and(f64::is_infinite));
}

proptest! {
    #[test]
    fn no_sum_is_too_odd(text in "[0-9.+*/() -]{0,60}|.{0,40}") {
        let _ = value(&text);
    }

    #[test]
    fn sums_and_products_are_right(a in 0u32..1000, b in 0u32..1000, c in 1u32..1000) {
        let [x, y, z] = [a, b, c].map(f64::from);
        prop_assert_eq!(value(&format!("{a}-{b}*{c}")), Some(x - y * z));
        prop_assert_eq!(value(&format!("({a} + {b}) / {c}")), Some((x + y) / z));
    }
}
