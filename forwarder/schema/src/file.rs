//! Parses a TOML file into a validated `Plan`. Invariants: every key is known and every value is valid,
//! or the whole file is refused with file, line, and what would be valid; the kernel is asked for
//! nothing but the cores.

use std::{fs, io::Read, path::Path};

use toml::de::DeTable;

use crate::{
    ConfigErrors, ForwarderPlan, Host, Plan, PortPlan, ports, problem::Problems, setting::Context,
    table,
};

const SECTIONS: [&str; 5] = ["forwarder", "container", "scheduler", "measure", "port"];
/// A file that is longer is not a configuration.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads and validates a file.
pub fn load(path: &Path, host: &Host) -> Result<Plan, ConfigErrors> {
    let file = path.display().to_string();
    let unreadable = |why: String| ConfigErrors::argument(&file, why, "");
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|opened| opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(unreadable("is longer than 1 MiB: this is no configuration of weir".into()));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(format!("is not UTF-8 text: line {line} has a byte that cannot be"))
    })?;
    parse(&text, &file, host)
}

/// Validates the text of a configuration; `file` is its name in errors.
pub fn parse(text: &str, file: &str, host: &Host) -> Result<Plan, ConfigErrors> {
    let mut problems = Problems::new(Some((file, text)));
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let (wrong, valid) = match bare_word(text, &span) {
                Some(word) => (format!("{word} is not quoted"), format!("valid: \"{word}\"")),
                None => (error.message().trim().replace('\n', ", "), String::new()),
            };
            problems.add(&span, "syntax", wrong, valid);
            problems.finish()?;
            return Err(ConfigErrors::argument(file, "is not TOML", ""));
        }
    };
    let root = root.get_ref();
    for word in root.keys().filter(|word| !SECTIONS.contains(&word.get_ref().as_ref())) {
        table::unknown_key(&mut problems, word, word.get_ref(), false, &SECTIONS);
    }
    let context = Context { host, workers: &[] };
    let forwarder = ForwarderPlan::on(host.default_worker());
    let forwarder = table::section(&mut problems, root, None, forwarder, &context);
    let context = Context { host, workers: &forwarder.workers };
    let container = table::section(&mut problems, root, None, Default::default(), &context);
    let scheduler = table::section(&mut problems, root, None, Default::default(), &context);
    let measure = table::section(&mut problems, root, None, Default::default(), &context);
    let ports = ports::of_file(&mut problems, root, &context);
    problems.finish()?;
    let defaults = PortPlan::default();
    Ok(Plan { forwarder, container, scheduler, measure, bridge: None, ports, defaults })
}

/// The unquoted text in the place of a value: the commonest slip, which the parser reports as a bad
/// number or date.
fn bare_word<'t>(text: &'t str, span: &std::ops::Range<usize>) -> Option<&'t str> {
    let word = text.get(span.clone())?;
    let before = text.get(..span.start)?.trim_end_matches([' ', '\t']);
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (is_word && before.ends_with(['=', '[', ','])).then_some(word)
}
