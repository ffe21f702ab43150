//! Compares texts with the code: every command, option and setting that a page, a help text, a finding
//! or an error names is in clap's tree or in the schema.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::{Command, CommandFactory as _};
use weir_core::Reason;
use weir_schema::pages;

use crate::cli::args::Cli;

/// The findings: the text, and the name that does not exist.
type Faults = BTreeSet<(String, String)>;

/// Files below a folder with this ending, except tests and the journal.
fn files(folder: PathBuf, ending: &str) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            match name.as_ref() {
                "tests" | "tests.rs" | "journal" => {}
                _ if path.is_dir() => folders.push(path),
                name if name.ends_with(ending) => files.push(path),
                _ => {}
            }
        }
    }
    files
}

/// Pages, sources and helps, by name.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    paths.extend(files(root.join("docs"), ""));
    for folder in ["src", "core/src", "api/src", "schema/src", "port/src", "probe/src"] {
        paths.extend(files(root.join("forwarder").join(folder), ".rs"));
    }
    paths.push(root.join("xtask/src/dist.rs"));
    let text = |path: PathBuf| (path.display().to_string(), fs::read_to_string(&path).unwrap());
    let mut texts: Vec<_> = paths.into_iter().map(text).collect();
    helps(&weir(), &mut texts);
    texts
}

fn weir() -> Command {
    let mut weir = Cli::command();
    weir.build();
    weir
}

fn helps(command: &Command, texts: &mut Vec<(String, String)>) {
    let name = format!("help of {}", command.get_display_name().unwrap_or("weir"));
    texts.push((name, command.clone().render_long_help().to_string()));
    command.get_subcommands().for_each(|below| helps(below, texts));
}

fn options(command: &Command) -> BTreeSet<String> {
    command.get_arguments().filter_map(|arg| arg.get_long()).map(|it| format!("--{it}")).collect()
}

fn all_options(command: &Command) -> BTreeSet<String> {
    let below = command.get_subcommands().flat_map(all_options);
    options(command).into_iter().chain(below).collect()
}

/// The spans between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The unknown word behind `weir `, if there is one; `sure`: the words are a command line.
fn unknown(weir: &Command, line: &str, sure: bool) -> Option<String> {
    let (mut command, mut at) = (weir, "weir".to_owned());
    for word in line.split(' ').take_while(|word| !["#", "|", ">", "&&", "->"].contains(word)) {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let end = bare.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(bare.len());
        let option = &bare[..end];
        if let Some(below) = command.find_subcommand(bare) {
            command = below;
            at += &format!(" {bare}");
        } else if option.starts_with("--") && !options(command).contains(option) {
            return Some(format!("{at} {option}"));
        } else if command.has_subcommands() && !bare.starts_with('-') {
            return (sure && !bare.is_empty()).then(|| format!("{at} {bare}"));
        }
        if word.ends_with([';', ',', ')', '"', '\'', '`', ':']) {
            break;
        }
    }
    None
}

#[test]
fn every_command_that_a_text_names_is_there() {
    let weir = weir();
    let mut faults = Faults::new();
    for (name, text) in texts() {
        for line in text.lines() {
            let quoted = quoted(line).filter_map(|span| span.strip_prefix("weir "));
            let said = line.split("weir ").skip(1).map(|said| (said, false));
            let lines = quoted.map(|span| (span, true)).chain(said);
            let missing = lines.filter_map(|(line, sure)| unknown(&weir, line, sure));
            faults.extend(missing.map(|missing| (name.clone(), missing)));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_option_that_a_text_quotes_is_there() {
    let known = all_options(&weir());
    let mut faults = Faults::new();
    for (name, text) in texts() {
        for span in text.lines().flat_map(quoted).filter(|span| span.starts_with("--")) {
            let option = span.split([' ', '=']).next().unwrap_or(span);
            if !known.contains(option) {
                faults.insert((name.clone(), option.to_owned()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_setting_that_a_text_names_is_there() {
    let sections = pages::all();
    let has = |section: &str, key: &str| {
        let mut listed = sections.iter().filter(|it| section.is_empty() || it.section == section);
        listed.any(|listed| listed.settings.iter().any(|setting| setting.key == key))
    };
    let mut faults = Faults::new();
    for (name, text) in texts() {
        let mut named: Vec<(&str, &str)> = Vec::new();
        let page = name.ends_with(".md") && !name.ends_with("ARCHITECTURE.md");
        for line in text.lines() {
            for section in sections.iter().map(|listed| listed.section) {
                // `frames` in [forwarder]
                let pieces: Vec<&str> = line.split(&format!("` in [{section}]")).collect();
                let keys = pieces[..pieces.len() - 1].iter().map(|it| it.rsplit('`').next());
                named.extend(keys.map(|key| (section, key.unwrap_or_default())));
            }
            for span in quoted(line).filter(|_| page) {
                // `weight = 4`, `container.timeout`
                let assigned = span.split_once(" = ").filter(|(key, _)| !key.contains(' '));
                named.extend(assigned.map(|(key, _)| ("", key)));
                let dotted = span
                    .split_once('.')
                    .filter(|(word, _)| sections.iter().any(|listed| listed.section == *word));
                named.extend(
                    dotted.map(|(section, key)| (section, key.split(' ').next().unwrap_or(key))),
                );
            }
        }
        for block in text.split("```toml\n").skip(1).filter(|_| page) {
            let lines = block.split("```").next().unwrap_or(block).lines();
            named.extend(lines.filter_map(|line| Some(("", line.split_once(" = ")?.0.trim()))));
        }
        let missing = named.into_iter().filter(|(section, key)| !has(section, key));
        faults.extend(missing.map(|(section, key)| (name.clone(), format!("{section}.{key}"))));
    }
    // The advice of a reason of loss.
    for reason in Reason::ALL {
        let words = quoted(reason.describe()).filter(|word| !word.contains(' '));
        let missing = words.filter(|word| !has("", word));
        faults.extend(missing.map(|word| (reason.name().to_owned(), word.to_owned())));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
