//! A setting that is added to a copy of a section appears everywhere.

use serde_json::{Value, json};
use weir_core::Rate;

use crate::{
    document, pages,
    problem::Problems,
    setting::{Context, settings},
    table, *,
};

settings! {
    /// A copy of a port, with a colour.
    Copy in "port" {
        weight: u32 {
            key: "weight",
            default: 1,
            range: 1..=1000,
            effect: Live,
            help: "Its part of every contended link, as a source: {range}",
            example: "4",
        }
        ink: Option<Rate> {
            key: "ink",
            default: None,
            effect: Live,
            help: "What it may print",
            unset: "as much as there is",
            example: "\"7Mbit\"",
        }
    }
}

const CONTEXT: Context<'_> = Context { host: &Host { cores: Vec::new() }, workers: &[] };

fn read(text: &str) -> Result<Copy, String> {
    let mut problems = Problems::new(Some(("f", text)));
    let root = toml::de::DeTable::parse(text).unwrap();
    let mut copy = Copy::default();
    table::read(&mut problems, "port", root.get_ref(), None, &mut copy, &CONTEXT);
    problems.finish().map(|()| copy).map_err(|errors| errors.to_string())
}

#[test]
fn in_the_file_and_what_is_said_of_it() {
    assert_eq!(read("ink = \"7Mbit\"").unwrap().ink, Some(Rate::new(7_000_000)));
    let error = read("ikn = 7\nink = 7").unwrap_err();
    let expected = "f:1:1: port.ikn: unknown key; did you mean `ink`?; valid: weight, ink\n    1 | \
                    ikn = 7\n      | ^^^\nf:2:7: port.ink: 7 is a bare number, not text in quotes; \
                    valid: a number and bit, Kbit, Mbit or Gbit, such as \"100Mbit\"\n    2 | ink = \
                    7\n      |       ^";
    assert_eq!(error, expected);
}

#[test]
fn in_documents_patches_and_differences() {
    let old = Copy { ink: Some(Rate::new(5)), ..Copy::default() };
    assert_eq!(Value::from(document::section(&old, |_| true)), json!({"weight": 1, "ink": "5bit"}));
    let patch = toml::de::DeTable::new();
    let (mut new, mut problems) = (old.clone(), Problems::new(None));
    table::read(&mut problems, "ports.v1", &patch, Some(&Copy::default()), &mut new, &CONTEXT);
    problems.finish().unwrap();
    assert_eq!((old.ink, new.ink), (Some(Rate::new(5)), None));
    assert_eq!(pages::listed::<Copy>().settings[1].shown(&json!(null)), "default");
}

#[test]
fn on_the_pages_and_as_an_option() {
    let listed = [pages::listed::<Copy>()];
    let line = "ink = \"7Mbit\"               # What it may print; default: as much as there is\n";
    assert!(pages::example(&listed).contains(line), "{}", pages::example(&listed));
    let row = "| `ink` | a number and bit, Kbit, Mbit or Gbit, such as \"100Mbit\" | as much as there \
               is | live | What it may print |\n";
    assert!(pages::reference(&listed).contains(row), "{}", pages::reference(&listed));
    let ink = listed[0].settings[1];
    assert_eq!(ink.option_help(), "What it may print [default: as much as there is]");
    assert_eq!((ink.kind)().value_name, "RATE|none");
    assert_eq!((ink.of_text)("8Mbit"), Ok(json!("8Mbit")));
}
