//! A corpus of frames, one file each, with the parser's verdicts beside it as a readable table. The
//! same files go through the loaded program in `tests/tests/program.rs` and seed the fuzzer.
//!
//! After a change: `cargo test -p weir-abi --test corpus -- --ignored`, and look at the diff.

mod frames;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use weir_abi::{classify, meta_flags};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn verdict(frame: &[u8]) -> String {
    let v = match classify(frame) {
        Ok(v) => v,
        Err(malformed) => return format!("malformed {}", malformed.name()),
    };
    let flags: Vec<&str> = meta_flags::NAMES
        .iter()
        .filter(|(bit, _)| v.flags & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    let mut line = flags.join("+");
    let _ = write!(line, " vlan={} l3={} l4={} proto={}", v.vlan, v.l3_off, v.l4_off, v.proto);
    let _ = write!(line, " l4_len={} hash={:08x}", v.l4_len, v.flow_hash);
    if v.csum_len != 0 {
        let state = if v.looks_partial() { "partial" } else { "full" };
        let _ = write!(line, " csum={:04x}/{} {state}", v.csum, v.csum_len);
    }
    line
}

fn table(frames: &[(String, Vec<u8>)]) -> String {
    let mut text = String::from("# file: bytes, verdict of weir_abi::classify\n");
    for (name, frame) in frames {
        let _ = writeln!(text, "{name}: {} {}", frame.len(), verdict(frame));
    }
    text
}

#[test]
fn verdicts_are_as_recorded() {
    let mut frames = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "bin") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            frames.push((name, fs::read(&path).unwrap()));
        }
    }
    frames.sort();
    assert!(frames.len() > 50, "the corpus is not there");
    let recorded = fs::read_to_string(folder().join("verdicts.txt")).unwrap();
    assert_eq!(table(&frames), recorded, "look at the difference, then regenerate if it is meant");
}

#[test]
fn files_are_what_the_builder_builds() {
    for (name, frame) in frames::all() {
        let file = fs::read(folder().join(format!("{name}.bin"))).unwrap_or_default();
        assert_eq!(file, frame, "{name}");
    }
}

#[test]
fn names_say_what_frames_are() {
    for (name, frame) in frames::all() {
        let malformed = classify(&frame[..]).err().map(|m| m.name());
        let expected = name.strip_prefix("bad-").map(|rest| rest.split('-').next().unwrap());
        assert_eq!(malformed, expected, "{name}");
    }
}

#[test]
#[ignore = "writes the corpus"]
fn regenerate() {
    fs::create_dir_all(folder()).unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut frames: Vec<_> = frames::all();
    frames.sort();
    for (name, frame) in &frames {
        fs::write(folder().join(format!("{name}.bin")), frame).unwrap();
    }
    fs::write(folder().join("verdicts.txt"), table(&frames)).unwrap();
}
