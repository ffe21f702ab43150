//! Parses a TOML file into a validated `Plan`. Invariants: every key is known and every value is valid,
//! or the whole file is refused with file, line, and what would be valid; the kernel is asked for
//! nothing but the cores.

use std::{collections::HashMap, fs, io::Read, ops::Range, path::Path};

use toml::de::{DeTable, DeValue};
use weir_core::{MAX_PORTS, Rate, Role};

use crate::{
    ConfigErrors, ForwarderPlan, Host, Located, Plan, PortPlan, pages,
    problem::Problems,
    setting::Context,
    table::{self, Places},
    value::{Value as _, shown},
};

const PORTS: &str = "valid: a [[port]] for each interface, at least one with role = \"uplink\"";
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
            return Err(ConfigErrors::at(problems.locate(&span), "syntax", wrong, valid));
        }
    };
    let root = root.get_ref();
    let sections: Vec<&str> = pages::all().iter().map(|listed| listed.section).collect();
    for word in root.keys().filter(|word| !sections.contains(&word.get_ref().as_ref())) {
        table::unknown_key(&mut problems, word, word.get_ref(), false, &sections);
    }
    let context = Context { host, workers: &[] };
    let forwarder = ForwarderPlan::on(host.default_worker());
    let forwarder = table::section(&mut problems, root, None, forwarder, &context);
    let context = Context { host, workers: &forwarder.workers };
    let container = table::section(&mut problems, root, None, Default::default(), &context);
    let scheduler = table::section(&mut problems, root, None, Default::default(), &context);
    let measure = table::section(&mut problems, root, None, Default::default(), &context);
    let ports = ports(&mut problems, root, &context);
    problems.finish()?;
    Ok(Plan { forwarder, container, scheduler, measure, ports, ..Plan::default() })
}

/// An unquoted text as a value: the commonest slip, which the parser calls a bad number or date.
fn bare_word<'t>(text: &'t str, span: &Range<usize>) -> Option<&'t str> {
    let word = text.get(span.clone())?;
    let before = text.get(..span.start)?.trim_end_matches([' ', '\t']);
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (is_word && before.ends_with(['=', '[', ','])).then_some(word)
}

/// The `[[port]]` tables.
fn ports(problems: &mut Problems<'_>, root: &DeTable<'_>, context: &Context<'_>) -> Vec<PortPlan> {
    let Some(node) = root.get("port") else {
        problems.add(&(0..0), "port", "no port is listed", PORTS);
        return Vec::new();
    };
    let items = match node.get_ref() {
        DeValue::Array(items) => items,
        DeValue::Table(_) => {
            problems.add(&node.span(), "port", "is written [port]", "valid: [[port]]");
            return Vec::new();
        }
        other => {
            problems.add(&node.span(), "port", format!("{} is no port", shown(other)), PORTS);
            return Vec::new();
        }
    };
    if !check_count(problems, &node.span(), "port", items.len()) {
        return Vec::new();
    }
    let (mut ports, mut places) = (Vec::new(), Vec::new());
    for item in items {
        let DeValue::Table(table) = item.get_ref() else {
            let wrong = format!("{} is no port", shown(item.get_ref()));
            problems.add(&item.span(), "port", wrong, PORTS);
            continue;
        };
        let mut port = PortPlan::default();
        let read = table::read(problems, "port", table, None, &mut port, context);
        if table.get("name").is_none() {
            let valid = format!("valid: {}", String::kind(&()).valid);
            problems.add(&item.span(), read.path("name"), "is missing", valid);
        }
        if !port.name.is_empty() {
            port.at = problems.locate(&read.span("name"));
        }
        ports.push(port);
        places.push(read);
    }
    if !ports.is_empty() {
        let first = ports.iter().find_map(|port| port.at.clone());
        check_all(problems, ("port.role", first), ports.iter().zip(&places));
        check_names(problems, &ports);
    }
    ports
}

pub(crate) fn check_count(
    problems: &mut Problems<'_>,
    span: &Range<usize>,
    key: &'static str,
    count: usize,
) -> bool {
    let right = (1..=MAX_PORTS).contains(&count);
    if !right {
        let wrong = format!("{count} ports are listed");
        problems.add(span, key, wrong, format!("valid: 1 to {MAX_PORTS}"));
    }
    right
}

/// Checks the rules between the ports; `all` is the place of an error about several of them.
pub(crate) fn check_all<'p>(
    problems: &mut Problems<'_>,
    all: (&str, Option<Located>),
    ports: impl Iterator<Item = (&'p PortPlan, &'p Places)> + Clone,
) {
    let min = |port: &PortPlan| port.min_rate.map_or(0, |min| u128::from(min.bits_per_s));
    let promised: u128 = ports.clone().map(|(port, _)| min(port)).sum();
    for (port, places) in ports.clone() {
        let Some(link) = port.rate else { continue };
        // A port's own traffic does not go out by the port itself.
        let others = Rate::new(u64::try_from(promised - min(port)).unwrap_or(u64::MAX));
        if others > link {
            let wrong =
                format!("{link} is less than the sum of the other ports' min-rate, {others}");
            let valid = format!("valid: at least {others}");
            problems.add(&places.span("rate"), places.path("rate"), wrong, valid);
        }
    }
    // If a port's role was refused, it is unknown.
    let is_vif = |(port, places): (&PortPlan, &Places)| {
        port.role == Role::Vif && !places.refused.contains(&"role")
    };
    if ports.clone().all(is_vif) {
        problems.add_at(
            all.1,
            all.0,
            "no port is an uplink",
            "valid: at least one port with role = \"uplink\", the way out of the host",
        );
    }
}

fn check_names(problems: &mut Problems<'_>, ports: &[PortPlan]) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for port in ports {
        let Some(at) = &port.at else { continue };
        match first.get(port.name.as_str()) {
            Some(line) => problems.add_at(
                Some(at.clone()),
                "port.name",
                format!("\"{}\" is listed twice, first in line {line}", port.name),
                "valid: each interface once",
            ),
            None => {
                first.insert(&port.name, at.line);
            }
        }
    }
}
