//! The `[[port]]` tables, and what must hold between them.

use std::{collections::HashMap, net::IpAddr, ops::Range};

use toml::de::{DeTable, DeValue};
use weir_core::{
    ids::Mac,
    units::{ByteSize, Rate},
};

use super::{
    problem::Problems,
    section::{Fault, Field, Kind, Section, choice, fault, integer, list, quantity, text},
};
use crate::control::plan::{Fallback, PortDefaults, PortPlan, Role};

const KEYS: &[&str] = &[
    "name", "role", "mode", "rate", "weight", "min-rate", "max-rate", "queue", "fallback",
    "mac-lock", "ip-lock",
];
const MAX_LOCKS: usize = 256;
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
const NAME: &str = "valid: an interface's name, such as \"eth1\": 1 to 15 characters without \
                    spaces, slashes and colons";

/// What of a port is checked against the other ports. The rates are refused after that.
#[derive(Debug)]
pub(super) struct Facts {
    /// `None`: what stands there is no role, which is a problem of its own already.
    role: Option<Role>,
    link: Option<Field<Rate>>,
    min: Option<Field<Rate>>,
}

pub(super) fn read(
    problems: &mut Problems<'_>,
    span: Range<usize>,
    table: &DeTable<'_>,
) -> (Option<PortPlan>, Facts) {
    let section = Section::open(problems, "port", span, table, KEYS);
    let s = &section;
    let defaults = PortDefaults::default();
    let name = s.read(problems, "name", |v| interface(v.get_ref()));
    if !s.has("name") {
        problems.add(&s.span, s.path("name"), "is missing", NAME);
    }
    let written = s.read::<Role>(problems, "role", |v| choice(v.get_ref()));
    let role = match written {
        Some(field) => Some(field.value),
        None if s.has("role") => None,
        None => Some(Role::Vif),
    };
    let plan = PortPlan {
        name: name.as_ref().map(|field| field.value.clone()).unwrap_or_default(),
        role: role.unwrap_or(Role::Vif),
        mode: s.read_or(problems, "mode", defaults.mode, |v| choice(v.get_ref())),
        queue_bytes: s
            .read(problems, "queue", |v| quantity(v.get_ref(), &QUEUE))
            .map_or(defaults.queue_bytes, |field| field.value.bytes),
        fallback: s
            .read_or::<Fallback>(problems, "fallback", defaults.fallback, |v| choice(v.get_ref())),
        mac_lock: locks(problems, s, "mac-lock", MAC, mac),
        ip_lock: locks(problems, s, "ip-lock", IP, ip),
        at: name.as_ref().map(|field| problems.locate(&field.span)),
    };
    let (link, min) = shares(problems, s);
    (name.map(|_| plan), Facts { role, link, min })
}

/// What the weighted scheduler will keep: its values must be right, and nothing but the default
/// is accepted, because a share that is configured and not kept is worse than none.
fn shares(
    problems: &mut Problems<'_>,
    section: &Section<'_>,
) -> (Option<Field<Rate>>, Option<Field<Rate>>) {
    let leave_out = "leave the key out: every vif gets an equal share";
    let weight = section.read(problems, "weight", |v| integer(v.get_ref(), 1, 1000));
    let weight = weight.filter(|field| field.value != 1);
    section.not_yet(
        problems,
        weight.as_ref(),
        "this version gives every vif the same share",
        "1 (the default)",
    );
    let mut rate = |key| section.read(problems, key, |v| quantity(v.get_ref(), &RATE));
    let (link, min, max) = (rate("rate"), rate("min-rate"), rate("max-rate"));
    let what = "this version keeps no rates";
    match (&min, &max) {
        (Some(low), Some(high)) if low.value.bits_per_s > high.value.bits_per_s => {
            let wrong = format!("{} is above max-rate, {}", low.value, high.value);
            section.wrong(problems, low, wrong, format!("valid: at most {}", high.value));
        }
        _ => section.not_yet(problems, min.as_ref(), what, leave_out),
    }
    section.not_yet(problems, max.as_ref(), what, leave_out);
    (link, min)
}

/// What must hold between the ports of a file.
pub(super) fn check_all(problems: &mut Problems<'_>, ports: &[PortPlan], facts: &[Facts]) {
    let promised: u64 =
        facts.iter().flat_map(|f| &f.min).fold(0, |sum, f| f.value.bits_per_s.saturating_add(sum));
    for link in facts.iter().flat_map(|facts| &facts.link) {
        let (mut wrong, mut valid) = (
            "not yet: this version keeps no rates".to_owned(),
            "valid: leave the key out: the link's own speed".to_owned(),
        );
        if promised > link.value.bits_per_s {
            let sum = Rate { bits_per_s: promised };
            wrong = format!("{} is less than the sum of all min-rate, {sum}", link.value);
            valid = format!("valid: at least {sum}");
        }
        problems.add(&link.span, "port.rate", wrong, valid);
    }
    if facts.iter().all(|facts| facts.role == Some(Role::Vif)) {
        problems.add_at(
            ports.iter().find_map(|port| port.at.clone()),
            "port.role",
            "no port is an uplink",
            "valid: at least one port with role = \"uplink\", where unknown destinations go",
        );
    }
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

/// Whether the kernel could give an interface this name.
pub(crate) fn is_interface_name(name: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

fn interface(value: &DeValue<'_>) -> Result<String, Fault> {
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
    read: fn(&DeValue<'_>) -> Result<T, Fault>,
) -> Vec<T> {
    let items = list(problems, section, key, valid, MAX_LOCKS, read);
    let mut locks = Vec::new();
    for item in items.map(|field| field.value).unwrap_or_default() {
        // Said twice is still said: a repetition is not a mistake that could matter.
        if !locks.contains(&item.value) {
            locks.push(item.value);
        }
    }
    locks
}

fn mac(value: &DeValue<'_>) -> Result<[u8; 6], Fault> {
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

fn ip(value: &DeValue<'_>) -> Result<IpAddr, Fault> {
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
