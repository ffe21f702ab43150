//! From a TOML file to a validated `Plan`, and from the document of a running weir to the next.
//! Invariants: every key is known and every value is one weir keeps, or the whole is refused with
//! file, line, and what would be valid; nothing is asked of the kernel except which cores there
//! are; file and document are read by the same readers.

mod node;
mod port;
mod ports;
mod problem;
mod section;
mod sections;
mod suggest;
#[cfg(test)]
mod tests;

use std::{fs, io::Read, path::Path};

use toml::de::DeTable;

pub(crate) use self::suggest::nearest;
use self::{
    node::Table,
    problem::{Problems, Source},
    section::{Keys, Section},
};
pub(crate) use self::{
    port::{CHANGEABLE, is_interface_name},
    sections::check_control,
};
pub use self::{
    ports::no_such_port,
    problem::{ConfigErrors, Problem},
};
use crate::control::plan::{ContainerPlan, Plan, PortDefaults};

const FILE: Keys = Keys::of(&["forwarder", "container", "scheduler", "measure", "port"]);
const DOCUMENT: Keys =
    Keys { valid: &["scheduler", "container", "ports"], fixed: &["forwarder", "measure"] };
/// A file that is longer is not a configuration.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the machine has, so that a plan can be checked against it (and tests need no machine).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The cores that are online, in rising order.
    pub cores: Vec<usize>,
}

impl Host {
    pub fn detect() -> Self {
        let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
        let mut cores = parse_core_list(&online);
        if cores.is_empty() {
            let count = std::thread::available_parallelism().map_or(1, usize::from);
            cores = (0..count).collect();
        }
        Self { cores }
    }

    /// The core a worker gets when nobody names one: the last, because interrupts gather on
    /// the first.
    pub fn default_worker(&self) -> usize {
        self.cores.last().copied().unwrap_or(0)
    }

    /// Whether a worker can be pinned to `core`, or what is wrong with it.
    pub fn check_worker(&self, core: u64) -> Result<usize, String> {
        let known = usize::try_from(core).ok().filter(|core| self.cores.contains(core));
        known.ok_or_else(|| format!("there is no core {core}"))
    }

    pub fn valid_cores(&self) -> String {
        let cores: Vec<String> = self.cores.iter().map(ToString::to_string).collect();
        format!("valid: {}", cores.join(", "))
    }
}

/// The kernel's notation: `0-3,8`.
fn parse_core_list(list: &str) -> Vec<usize> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<usize>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

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

/// Validates the text of a configuration; `file` is how the errors call it.
pub fn parse(text: &str, file: &str, host: &Host) -> Result<Plan, ConfigErrors> {
    let mut problems = Problems::new(Some(Source::new(file, text)));
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
    let root = Table::from(root.get_ref());
    Section::open(&mut problems, "", 0..0, &root, FILE);
    let forwarder = sections::forwarder(&mut problems, &root, host);
    let plan = Plan {
        container: sections::container(&mut problems, &root, sections::CONTAINER),
        scheduler: sections::scheduler(&mut problems, &root),
        measure: sections::measure(&mut problems, &root),
        bridge: None,
        ports: ports::of_file(&mut problems, &root, &forwarder.workers),
        defaults: PortDefaults::default(),
        forwarder,
    };
    problems.finish().map(|()| plan)
}

/// Reads what a running weir's document was made into; what the document does not tell stays as
/// in `base`. `known` names the ports of the bridge. Only of a document whose ports there are.
pub(crate) fn parse_document(
    document: &serde_json::Map<String, serde_json::Value>,
    base: &Plan,
    known: &[String],
) -> Result<Plan, ConfigErrors> {
    let mut problems = Problems::new(None);
    let root = Table::from(document);
    Section::open(&mut problems, "", 0..0, &root, DOCUMENT);
    let container = sections::container(&mut problems, &root, sections::LIVE_CONTAINER);
    let plan = Plan {
        container: ContainerPlan { bytes: base.container.bytes, ..container },
        scheduler: sections::scheduler(&mut problems, &root),
        ports: ports::of_document(&mut problems, &root, base, known),
        ..base.clone()
    };
    problems.finish().map(|()| plan)
}

/// The unquoted text where a value must be: the commonest slip, and the parser takes it for a
/// number or a date and says so.
fn bare_word<'t>(text: &'t str, span: &std::ops::Range<usize>) -> Option<&'t str> {
    let word = text.get(span.clone())?;
    let before = text.get(..span.start)?.trim_end_matches([' ', '\t']);
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (is_word && before.ends_with(['=', '[', ','])).then_some(word)
}
