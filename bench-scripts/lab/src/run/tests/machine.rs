//! This machine.

use std::path::Path;

use crate::run::{Machine, UNKNOWN, model};

#[test]
fn reads_the_name_of_the_processor() {
    let text = "processor\t: 0\nmodel name\t: Some  CPU @ 2.1GHz \nmodel name\t: other\n";
    assert_eq!(model(text).as_deref(), Some("Some CPU @ 2.1GHz"));
    assert_eq!(model("processor : 0\n"), None);
}

#[test]
fn finds_out_about_this_one() {
    let here = Machine::here(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(here.date.len() == "2026-01-02T03:04:05Z".len() && here.date.ends_with('Z'));
    assert!(!here.kernel.is_empty() && here.cores > 0 && !here.cpu.is_empty());
    let nowhere = Machine::here(Path::new("/proc"));
    assert_eq!((nowhere.commit.as_str(), nowhere.dirty), (UNKNOWN, false));
}
