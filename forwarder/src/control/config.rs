//! From a TOML file to a validated `Plan`. Invariants: every key is known and every value is one
//! weir keeps, or the file is refused with file, line, and what would be valid; nothing about
//! the file is asked of the kernel except which cores there are.

mod port;
mod problem;
mod section;
mod suggest;
#[cfg(test)]
mod tests;

use std::{fs, io::Read, net::SocketAddr, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use weir_core::{
    ids::MAX_PORTS,
    units::{ByteSize, Span},
};

pub(crate) use self::port::is_interface_name;
pub use self::problem::{ConfigErrors, Problem};
use self::{
    problem::{Problems, Source},
    section::{
        Fault, Kind, Section, choice, fault, flag, fraction, integer, list, quantity, shown, text,
    },
};
use crate::control::plan::{
    ContainerPlan, ForwarderPlan, Idle, Plan, Policy, PortDefaults, PortPlan, Release,
    SchedulerPlan,
};

const SECTIONS: &[&str] = &["forwarder", "container", "scheduler", "port"];
const FORWARDER: &[&str] = &["workers", "idle", "control", "metrics"];
const CONTAINER: &[&str] = &["bytes", "release", "timeout", "alpha", "work-conserving"];
const SCHEDULER: &[&str] = &["policy", "inactive-after"];
/// A file that is longer is not a configuration.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// `sun_path` holds 108 bytes with the closing zero.
const MAX_SOCKET_PATH_LEN: usize = 107;

const CONTAINER_BYTES: Kind<ByteSize> = Kind {
    what: "a size",
    valid: "a number and B, KiB or MiB, from \"64B\" to \"1MiB\"",
    within: |size| (64..=1 << 20).contains(&size.bytes),
};
const TIMEOUT: Kind<Span> = Kind {
    what: "a time",
    valid: "a number and ns, us, ms or s, from \"1us\" to \"1s\"",
    within: |span| (1_000..=1_000_000_000).contains(&span.ns),
};

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
    let mut problems = Problems::new(Source::new(file, text));
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
    Section::open(&mut problems, "", 0..0, root, SECTIONS);
    let plan = Plan {
        forwarder: forwarder(&mut problems, root, host),
        container: container(&mut problems, root),
        scheduler: scheduler(&mut problems, root),
        bridge: None,
        ports: ports(&mut problems, root),
        defaults: PortDefaults::default(),
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

/// A `[section]`; one that is absent has nothing in it.
fn section<'t>(
    problems: &mut Problems<'_>,
    root: &'t DeTable<'t>,
    name: &'static str,
    keys: &[&str],
) -> Option<Section<'t>> {
    let value = root.get(name)?;
    match value.get_ref() {
        DeValue::Table(table) => Some(Section::open(problems, name, value.span(), table, keys)),
        other => {
            let wrong = match other {
                DeValue::Array(_) => "there can be only one".to_owned(),
                other => format!("{} is not a section", shown(other)),
            };
            problems.add(&value.span(), name, wrong, format!("valid: one section [{name}]"));
            None
        }
    }
}

fn forwarder(problems: &mut Problems<'_>, root: &DeTable<'_>, host: &Host) -> ForwarderPlan {
    let mut plan = ForwarderPlan::on(host.default_worker());
    let Some(s) = section(problems, root, "forwarder", FORWARDER) else { return plan };
    if let Some(core) = workers(problems, &s, host) {
        plan.workers = vec![core];
    }
    plan.idle = s.read_or::<Idle>(problems, "idle", plan.idle, |v| choice(v.get_ref()));
    if let Some(path) = s.read(problems, "control", |v| control(v.get_ref())) {
        plan.control = path.value;
    }
    let metrics = s.read(problems, "metrics", |v| metrics(v.get_ref()));
    s.not_yet(
        problems,
        metrics.as_ref(),
        "this version has no metrics listener",
        "leave the key out, and ask the control socket: `weir stats --json`",
    );
    plan
}

fn workers(problems: &mut Problems<'_>, section: &Section<'_>, host: &Host) -> Option<usize> {
    let valid = "valid: a list of one core, such as [1]";
    let core = |value: &DeValue<'_>| {
        let core = integer(value, 0, u64::MAX)
            .map_err(|refused| Fault { valid: host.valid_cores(), ..refused })?;
        host.check_worker(core).map_err(|wrong| Fault { wrong, valid: host.valid_cores() })
    };
    let cores = list(problems, section, "workers", valid, 1024, core)?;
    let mut seen = Vec::new();
    for core in &cores.value {
        if seen.contains(&core.value) {
            let wrong = format!("core {} is listed twice", core.value);
            section.wrong(problems, core, wrong, "valid: each core once");
            return None;
        }
        seen.push(core.value);
    }
    match seen.as_slice() {
        [] => section.wrong(problems, &cores, "the list is empty", valid),
        [core] => return Some(*core),
        _ => section.not_yet(problems, Some(&cores), "this version has one worker", "one core"),
    }
    None
}

fn control(value: &DeValue<'_>) -> Result<std::path::PathBuf, Fault> {
    let valid = "valid: an absolute path of at most 107 bytes, such as \"/run/weir.sock\"";
    let path = text(value, valid)?;
    match check_control(Path::new(path)) {
        Ok(()) => Ok(path.into()),
        Err(wrong) => fault(wrong, valid),
    }
}

/// Whether a socket could be made at this path.
pub(crate) fn check_control(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(format!("\"{shown}\" is not the absolute path of a file"));
    }
    let len = path.as_os_str().len();
    if len > MAX_SOCKET_PATH_LEN {
        return Err(format!("the path is too long for a socket ({len} bytes)"));
    }
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err("the path has a zero byte in it".to_owned());
    }
    Ok(())
}

fn metrics(value: &DeValue<'_>) -> Result<SocketAddr, Fault> {
    let valid = "valid: a loopback address and port, such as \"127.0.0.1:9477\"";
    let text = text(value, valid)?;
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(address) => fault(format!("{address} is not a loopback address"), valid),
        Err(_) => fault(format!("\"{text}\" is not an address with a port"), valid),
    }
}

fn container(problems: &mut Problems<'_>, root: &DeTable<'_>) -> ContainerPlan {
    let mut plan = ContainerPlan::default();
    let Some(s) = section(problems, root, "container", CONTAINER) else { return plan };
    if let Some(size) = s.read(problems, "bytes", |v| quantity(v.get_ref(), &CONTAINER_BYTES)) {
        plan.bytes = size.value.bytes;
    }
    let release = s.read(problems, "release", |v| choice::<Release>(v.get_ref()));
    let waiting = release.filter(|field| field.value != Release::Eager);
    let what = "this version releases every container at the end of its burst";
    s.not_yet(problems, waiting.as_ref(), what, "\"eager\"");
    if let Some(span) = s.read(problems, "timeout", |v| quantity(v.get_ref(), &TIMEOUT)) {
        plan.timeout_ns = span.value.ns;
    }
    plan.alpha = s.read_or(problems, "alpha", plan.alpha, |v| fraction(v.get_ref()));
    plan.work_conserving =
        s.read_or(problems, "work-conserving", plan.work_conserving, |v| flag(v.get_ref()));
    plan
}

fn scheduler(problems: &mut Problems<'_>, root: &DeTable<'_>) -> SchedulerPlan {
    let mut plan = SchedulerPlan::default();
    let Some(s) = section(problems, root, "scheduler", SCHEDULER) else { return plan };
    let policy = s.read(problems, "policy", |v| choice::<Policy>(v.get_ref()));
    let other = policy.filter(|field| field.value != Policy::Drr);
    let what = "this version has one scheduler, a turn for each vif";
    s.not_yet(problems, other.as_ref(), what, "\"drr\"");
    if let Some(span) = s.read(problems, "inactive-after", |v| quantity(v.get_ref(), &TIMEOUT)) {
        plan.inactive_after_ns = span.value.ns;
    }
    plan
}

fn ports(problems: &mut Problems<'_>, root: &DeTable<'_>) -> Vec<PortPlan> {
    let valid = "valid: a [[port]] for each interface, at least one with role = \"uplink\"";
    let Some(value) = root.get("port") else {
        problems.add(&(0..0), "port", "no port is listed", valid);
        return Vec::new();
    };
    let items: &[Spanned<DeValue<'_>>] = match value.get_ref() {
        DeValue::Array(items) => items,
        DeValue::Table(_) => {
            problems.add(&value.span(), "port", "is written [port]", "valid: [[port]]");
            return Vec::new();
        }
        other => {
            problems.add(&value.span(), "port", format!("{} is no port", shown(other)), valid);
            return Vec::new();
        }
    };
    if items.is_empty() || items.len() > MAX_PORTS {
        let wrong = format!("{} ports are listed", items.len());
        problems.add(&value.span(), "port", wrong, format!("valid: 1 to {}", MAX_PORTS));
        return Vec::new();
    }
    let (mut plans, mut facts) = (Vec::new(), Vec::new());
    for item in items {
        let DeValue::Table(table) = item.get_ref() else {
            let wrong = format!("{} is no port", shown(item.get_ref()));
            problems.add(&item.span(), "port", wrong, valid);
            continue;
        };
        let (plan, fact) = port::read(problems, item.span(), table);
        plans.extend(plan);
        facts.push(fact);
    }
    if !facts.is_empty() {
        port::check_all(problems, &plans, &facts);
    }
    plans
}
