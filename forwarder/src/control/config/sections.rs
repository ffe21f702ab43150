//! The sections that there is one of.

use std::{net::SocketAddr, path::Path};

use weir_core::{
    FlowConfig,
    units::{ByteSize, Span},
};

use super::{
    Host,
    node::{Table, Value},
    problem::Problems,
    section::{Fault, Keys, Kind, Section, choice, fault, flag, fraction, integer, quantity, text},
};
use crate::control::plan::{ContainerPlan, ForwarderPlan, Idle, MeasurePlan, SchedulerPlan};

const FORWARDER: Keys = Keys::of(&["workers", "idle", "control", "metrics"]);
pub(super) const CONTAINER: Keys =
    Keys::of(&["bytes", "release", "timeout", "alpha", "work-conserving"]);
pub(super) const LIVE_CONTAINER: Keys =
    Keys { valid: &["release", "timeout", "alpha", "work-conserving"], fixed: &["bytes"] };
pub(super) const SCHEDULER: Keys = Keys::of(&["policy", "inactive-after"]);
pub(super) const MEASURE: Keys = Keys::of(&["latency", "flows", "flow-idle"]);
/// `sun_path` holds 108 bytes with the closing zero.
const MAX_SOCKET_PATH_LEN: usize = 107;

const CONTAINER_BYTES: Kind<ByteSize> = Kind {
    what: "a size",
    valid: "a number and B, KiB or MiB, from \"64B\" to \"1MiB\"",
    within: |size| (64..=1 << 20).contains(&size.bytes),
};
pub(super) const TIMEOUT: Kind<Span> = Kind {
    what: "a time",
    valid: "a number and ns, us, ms or s, from \"1us\" to \"1s\"",
    within: |span| (1_000..=1_000_000_000).contains(&span.ns),
};
const FLOW_IDLE: Kind<Span> = Kind {
    what: "a time",
    valid: "a number and ns, us, ms or s, from \"1s\" to \"3600s\"",
    within: |span| (1_000_000_000..=3_600_000_000_000).contains(&span.ns),
};

/// A `[section]`; one that is absent has nothing in it.
fn section<'t>(
    problems: &mut Problems<'_>,
    root: &'t Table,
    name: &'static str,
    keys: Keys,
) -> Option<Section<'t>> {
    let node = root.get(name)?;
    match &node.value {
        Value::Table(table) => Some(Section::open(problems, name, node.span.clone(), table, keys)),
        other => {
            let wrong = match other {
                Value::List(_) => "there can be only one".to_owned(),
                other => format!("{} is not a section", other.shown()),
            };
            problems.add(&node.span, name, wrong, format!("valid: one section [{name}]"));
            None
        }
    }
}

pub(super) fn forwarder(problems: &mut Problems<'_>, root: &Table, host: &Host) -> ForwarderPlan {
    let mut plan = ForwarderPlan::on(host.default_worker());
    let Some(s) = section(problems, root, "forwarder", FORWARDER) else { return plan };
    if let Some(cores) = workers(problems, &s, host) {
        plan.workers = cores;
    }
    plan.idle = s.read_or::<Idle>(problems, "idle", plan.idle, choice);
    if let Some(path) = s.read(problems, "control", control) {
        plan.control = path.value;
    }
    plan.metrics = s.read(problems, "metrics", metrics).map(|field| field.value);
    plan
}

fn workers(problems: &mut Problems<'_>, section: &Section<'_>, host: &Host) -> Option<Vec<usize>> {
    let valid = "valid: a list of cores, such as [1]";
    let core = |value: &Value| {
        let core = integer(value, 0, u64::MAX)
            .map_err(|refused| Fault { valid: host.valid_cores(), ..refused })?;
        host.check_worker(core).map_err(|wrong| Fault { wrong, valid: host.valid_cores() })
    };
    let cores = section.list(problems, "workers", valid, 1024, core)?;
    let mut seen = Vec::new();
    for core in &cores.value {
        if seen.contains(&core.value) {
            let wrong = format!("core {} is listed twice", core.value);
            section.wrong(problems, core, wrong, "valid: each core once");
            return None;
        }
        seen.push(core.value);
    }
    if seen.is_empty() {
        section.wrong(problems, &cores, "the list is empty", valid);
        return None;
    }
    Some(seen)
}

fn control(value: &Value) -> Result<std::path::PathBuf, Fault> {
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

fn metrics(value: &Value) -> Result<SocketAddr, Fault> {
    let valid = "valid: a loopback address and port, such as \"127.0.0.1:9477\"";
    let text = text(value, valid)?;
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(address) => fault(format!("{address} is not a loopback address"), valid),
        Err(_) => fault(format!("\"{text}\" is not an address with a port"), valid),
    }
}

pub(super) fn container(problems: &mut Problems<'_>, root: &Table, keys: Keys) -> ContainerPlan {
    let mut plan = ContainerPlan::default();
    let Some(s) = section(problems, root, "container", keys) else { return plan };
    if let Some(size) = s.read(problems, "bytes", |v| quantity(v, &CONTAINER_BYTES)) {
        plan.bytes = size.value.bytes;
    }
    plan.release = s.read_or(problems, "release", plan.release, choice);
    if let Some(span) = s.read(problems, "timeout", |v| quantity(v, &TIMEOUT)) {
        plan.timeout_ns = span.value.ns;
    }
    plan.alpha = s.read_or(problems, "alpha", plan.alpha, fraction);
    plan.work_conserving = s.read_or(problems, "work-conserving", plan.work_conserving, flag);
    plan
}

pub(super) fn scheduler(problems: &mut Problems<'_>, root: &Table) -> SchedulerPlan {
    let mut plan = SchedulerPlan::default();
    let Some(s) = section(problems, root, "scheduler", SCHEDULER) else { return plan };
    plan.policy = s.read_or(problems, "policy", plan.policy, choice);
    if let Some(span) = s.read(problems, "inactive-after", |v| quantity(v, &TIMEOUT)) {
        plan.inactive_after_ns = span.value.ns;
    }
    plan
}

pub(super) fn measure(problems: &mut Problems<'_>, root: &Table) -> MeasurePlan {
    let mut plan = MeasurePlan::default();
    let Some(s) = section(problems, root, "measure", MEASURE) else { return plan };
    plan.latency = s.read_or(problems, "latency", plan.latency, flag);
    let most = u64::from(FlowConfig::MOST);
    if let Some(flows) = s.read(problems, "flows", |v| integer(v, 0, most)) {
        plan.flows = u32::try_from(flows.value).unwrap_or(FlowConfig::MOST);
    }
    if let Some(span) = s.read(problems, "flow-idle", |v| quantity(v, &FLOW_IDLE)) {
        plan.flow_idle_ns = span.value.ns;
    }
    plan
}
