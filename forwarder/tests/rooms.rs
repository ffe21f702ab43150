//! Which room of the forwarder may name which: what the compiler cannot refuse within one package.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and those that it must not name.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    ("worker", &["host", "observe", "service", "cli", "probe"]),
    ("host", &["worker", "observe", "service", "cli", "probe"]),
    ("observe", &["service", "cli", "probe"]),
    ("service", &["cli", "probe"]),
];

fn files(at: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
    let each = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(each).filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

#[test]
fn no_room_names_one_further_out() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, forbidden) in FORBIDDEN {
        for path in files(&src.join(room)).into_iter().chain([src.join(format!("{room}.rs"))]) {
            let text = fs::read_to_string(&path).unwrap();
            let named = |other: &&&str| text.contains(&format!("crate::{other}"));
            wrong.extend(forbidden.iter().filter(named).map(|other| (path.clone(), *other)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
