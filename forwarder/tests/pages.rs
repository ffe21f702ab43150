//! The files that pages for contributors name are there.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::Path;

const PAGES: [&str; 6] = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "docs/glossary.md",
    "tests/README.md",
    "bench-scripts/README.md",
];
/// What a path in a page may be relative to.
const FOLDERS: [&str; 8] = [
    "",
    "forwarder",
    "forwarder/src",
    "xdp-ebpf",
    "xdp-ebpf/abi",
    "bench-scripts",
    "bench-scripts/experiments",
    "tests/src",
];
const ENDINGS: [&str; 5] = [".rs", ".toml", ".md", ".sh", ".py"];

#[test]
fn pages_name_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut checked = 0;
    for page in PAGES {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for (number, line) in text.lines().enumerate() {
            let quoted = line.split('`').skip(1).step_by(2);
            let paths = quoted.filter(|word| word.contains('/') && !word.contains(' '));
            for path in paths.filter(|path| ENDINGS.iter().any(|ending| path.ends_with(ending))) {
                let there = FOLDERS.iter().any(|folder| root.join(folder).join(path).exists());
                assert!(there, "{page}:{}: there is no {path}", number + 1);
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "only {checked} paths were found");
}
