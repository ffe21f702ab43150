//! The committed pages match the declarations.

use std::{env, fs, path::PathBuf};

use weir_core::{PortSettings, Role};

use crate::{pages, *};

#[track_caller]
fn is_committed(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if env::var_os("WEIR_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/{name} is not what the declarations give; to renew it: WEIR_BLESS=1 cargo test -p \
         weir-schema pages"
    );
}

#[test]
fn the_pages_are_up_to_date() {
    is_committed("weir.example.toml", &pages::example(&pages::all()));
    is_committed("settings.md", &pages::reference(&pages::all()));
}

#[test]
fn the_example_is_read_and_says_what_holds_without_it() {
    let text = pages::example(&pages::all());
    let example = parse(&text, "weir.toml", &Host { cores: vec![0, 1] });
    let example = example.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(example.ports.len(), 3);
    assert_eq!(example.container, ContainerPlan::default());
    assert_eq!(example.scheduler, SchedulerPlan::default());
    assert_eq!(example.measure, MeasurePlan::default());
    let stated = example.port_settings(&example.ports[2]);
    assert_eq!(stated, PortSettings::new(Role::Vif));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}
