//! The ports of a file, and the rules between a plan's ports.

use std::{collections::HashMap, ops::Range};

use toml::de::{DeTable, DeValue};
use weir_core::{MAX_PORTS, Rate, Role};

use crate::{
    Located, PortPlan,
    problem::Problems,
    setting::Context,
    table::{self, Places},
    value::{Value as _, shown},
};

const PORTS: &str = "valid: a [[port]] for each interface, at least one with role = \"uplink\"";

/// The `[[port]]` tables.
pub(crate) fn of_file(
    problems: &mut Problems<'_>,
    root: &DeTable<'_>,
    context: &Context<'_>,
) -> Vec<PortPlan> {
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
