//! One port's keys.

use std::net::IpAddr;

use weir_core::{
    Share,
    ids::Mac,
    units::{ByteSize, Rate},
};

use super::{
    node::Value,
    problem::Problems,
    section::{Fault, Field, Keys, Kind, Section, choice, fault, flag, integer, quantity, text},
    sections::TIMEOUT,
};
use crate::control::plan::{Mode, PortDefaults, PortPlan, Role};

/// In the file.
pub(super) const KEYS: Keys = Keys::of(&[
    "name",
    "role",
    "mode",
    "rate",
    "weight",
    "min-rate",
    "max-rate",
    "burst",
    "queue",
    "release",
    "timeout",
    "work-conserving",
    "lane",
    "worker",
    "fallback",
    "storm",
    "reserved",
    "foreign-rules",
    "mac-lock",
    "ip-lock",
]);
/// Those that can change while weir runs, in the order in which people think of them.
pub(crate) const CHANGEABLE: &[&str] = &[
    "role",
    "rate",
    "weight",
    "min-rate",
    "max-rate",
    "burst",
    "queue",
    "release",
    "timeout",
    "work-conserving",
    "lane",
    "storm",
    "reserved",
    "foreign-rules",
    "mac-lock",
    "ip-lock",
];
/// In the document of a running weir, under the port's name.
pub(super) const LIVE_KEYS: Keys =
    Keys { valid: CHANGEABLE, fixed: &["name", "mode", "worker", "fallback"] };
const MAX_LOCKS: usize = 256;
/// Frames in a second: more than one core sends, and a hundred nanoseconds for each, which is what
/// the gate is told.
const MAX_STORM: u64 = 10_000_000;
/// IFNAMSIZ less the closing zero.
const MAX_NAME_LEN: usize = 15;

const RATE: Kind<Rate> = Kind {
    what: "a rate",
    valid: "a number and bit, Kbit, Mbit or Gbit, such as \"100Mbit\"",
    within: |rate| rate.bits_per_s > 0,
};
const QUEUE: Kind<ByteSize> = Kind {
    what: "a size",
    valid: "a number and B, KiB, MiB or GiB, from \"4KiB\" to \"1GiB\"",
    within: |size| (4 << 10..=1 << 30).contains(&size.bytes),
};
const BURST: Kind<ByteSize> = Kind {
    what: "a size",
    valid: "a number and B, KiB or MiB, from \"2KiB\" to \"64MiB\"",
    within: |size| (2 << 10..=64 << 20).contains(&size.bytes),
};
pub(super) const NAME: &str = "valid: an interface's name, such as \"eth1\": 1 to 15 characters without \
                    spaces, slashes and colons";

/// What of a port is checked against the other ports.
#[derive(Debug)]
pub(super) struct Facts {
    /// Of the port's `rate`, as the errors write it.
    pub(super) rate_path: String,
    /// `None`: what stands there is no role, which is a problem of its own already.
    pub(super) role: Option<Role>,
    pub(super) link: Option<Field<Rate>>,
    pub(super) min: Option<Field<Rate>>,
}

/// A port without its name. What the table cannot tell is taken from `base`; what it can and does
/// not has its default, of which `defaults` says what the command line may have changed.
pub(super) fn read(
    problems: &mut Problems<'_>,
    s: &Section<'_>,
    base: &PortPlan,
    defaults: &PortDefaults,
    workers: &[usize],
) -> (PortPlan, Facts) {
    let defaults = defaults.port(&base.name, Role::Vif);
    let written = s.read::<Role>(problems, "role", choice);
    let role = match written {
        Some(field) => Some(field.value),
        None if s.has("role") => None,
        None => Some(defaults.role),
    };
    let weight = s.read(problems, "weight", |v| integer(v, 1, Share::MAX_WEIGHT.into()));
    let mut rate = |key| s.read(problems, key, |v| quantity(v, &RATE));
    let (link, min, max) = (rate("rate"), rate("min-rate"), rate("max-rate"));
    if let (Some(low), Some(high)) = (&min, &max)
        && low.value > high.value
    {
        let wrong = format!("{} is above max-rate, {}", low.value, high.value);
        s.wrong(problems, low, wrong, format!("valid: at most {}", high.value));
    }
    let mut size = |key, kind: &Kind<ByteSize>, default| {
        s.read(problems, key, |v| quantity(v, kind)).map_or(default, |field| field.value.bytes)
    };
    let plan = PortPlan {
        burst_bytes: size("burst", &BURST, defaults.burst_bytes),
        queue_bytes: size("queue", &QUEUE, defaults.queue_bytes),
        role: role.unwrap_or(defaults.role),
        mode: s.read_or(problems, "mode", base.mode, choice::<Mode>),
        weight: weight.map_or(defaults.weight, |field| field.value as u32),
        min_rate: min.as_ref().map(|field| field.value),
        max_rate: max.as_ref().map(|field| field.value),
        rate: link.as_ref().map(|field| field.value),
        release: s.read(problems, "release", choice).map(|field| field.value),
        timeout_ns: s
            .read(problems, "timeout", |v| quantity(v, &TIMEOUT))
            .map(|field| field.value.ns),
        work_conserving: s.read(problems, "work-conserving", flag).map(|field| field.value),
        lane: s.read_or(problems, "lane", defaults.lane, choice),
        worker: s
            .read(problems, "worker", |v| worker(v, workers))
            .map_or(base.worker, |field| Some(field.value)),
        fallback: s.read_or(problems, "fallback", base.fallback, choice),
        storm: s
            .read(problems, "storm", |v| integer(v, 0, MAX_STORM))
            .and_then(|field| u32::try_from(field.value).ok()),
        reserved: s.read(problems, "reserved", choice).map(|field| field.value),
        foreign_rules: s.read_or(problems, "foreign-rules", defaults.foreign_rules, choice),
        mac_lock: locks(problems, s, "mac-lock", MAC, mac),
        ip_lock: locks(problems, s, "ip-lock", IP, ip),
        ..base.clone()
    };
    (plan, Facts { rate_path: s.path("rate"), role, link, min })
}

/// A port can only be given to a worker that there is.
fn worker(value: &Value, workers: &[usize]) -> Result<usize, Fault> {
    let cores: Vec<String> = workers.iter().map(ToString::to_string).collect();
    let valid = format!("valid: a core of [forwarder] workers: {}", cores.join(", "));
    let core =
        integer(value, 0, u64::MAX).map_err(|refused| Fault { valid: valid.clone(), ..refused })?;
    match workers.iter().find(|worker| **worker as u64 == core) {
        Some(worker) => Ok(*worker),
        None => fault(format!("there is no worker on core {core}"), valid),
    }
}

/// Whether the kernel could give an interface this name.
pub(crate) fn is_interface_name(name: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

pub(super) fn interface(value: &Value) -> Result<String, Fault> {
    let name = text(value, NAME)?;
    if is_interface_name(name) {
        Ok(name.to_owned())
    } else {
        fault(format!("\"{name}\" cannot be an interface's name"), NAME)
    }
}

const MAC: &str = "valid: a list of addresses, such as [\"02:00:00:00:00:01\"]";
const IP: &str = "valid: a list of addresses, such as [\"10.0.0.1\", \"fd00::1\"]";

fn locks<T: PartialEq>(
    problems: &mut Problems<'_>,
    section: &Section<'_>,
    key: &'static str,
    valid: &str,
    read: fn(&Value) -> Result<T, Fault>,
) -> Vec<T> {
    let items = section.list(problems, key, valid, MAX_LOCKS, read);
    let mut locks = Vec::new();
    for item in items.map(|field| field.value).unwrap_or_default() {
        // Said twice is still said: a repetition is not a mistake that could matter.
        if !locks.contains(&item.value) {
            locks.push(item.value);
        }
    }
    locks
}

fn mac(value: &Value) -> Result<[u8; 6], Fault> {
    let valid = "valid: six pairs of hex digits, such as \"02:00:00:00:00:01\"";
    let text = text(value, valid)?;
    let Ok(mac) = text.parse::<Mac>() else {
        return fault(format!("\"{text}\" is not a MAC address"), valid);
    };
    if mac.is_multicast() || mac.to_u64() == 0 {
        let wrong = format!("{text} cannot be a sender: it is a group's address, or nobody's");
        return fault(wrong, "valid: one interface's address (its first byte is even)");
    }
    Ok(mac.octets())
}

fn ip(value: &Value) -> Result<IpAddr, Fault> {
    let valid = "valid: an IPv4 or IPv6 address without prefix length, such as \"10.0.0.1\"";
    let text = text(value, valid)?;
    let Ok(ip) = text.parse::<IpAddr>() else {
        return fault(format!("\"{text}\" is not an IP address"), valid);
    };
    if ip.is_multicast() || ip.is_unspecified() {
        let wrong = format!("{ip} cannot be a sender: it is a group's address, or nobody's");
        return fault(wrong, "valid: one interface's address");
    }
    Ok(ip)
}
