//! The ports of a file or of a document, and what must hold between them.

use std::collections::HashMap;

use weir_core::{ids::MAX_PORTS, units::Rate};

use super::{
    node::{Node, Table, Value},
    port::{self, Facts},
    problem::{ConfigErrors, Problems},
    section::Section,
};
use crate::control::plan::{Located, Plan, PortDefaults, PortPlan, Role};

const PORTS: &str = "valid: a [[port]] for each interface, at least one with role = \"uplink\"";
const DOCUMENT_PORTS: &str = "valid: the ports by name, such as {\"v1\": {\"weight\": 4}}";

/// The `[[port]]` tables.
pub(super) fn of_file(
    problems: &mut Problems<'_>,
    root: &Table,
    workers: &[usize],
) -> Vec<PortPlan> {
    let Some(node) = root.get("port") else {
        problems.add(&(0..0), "port", "no port is listed", PORTS);
        return Vec::new();
    };
    let items: &[Node] = match &node.value {
        Value::List(items) => items,
        Value::Table(_) => {
            problems.add(&node.span, "port", "is written [port]", "valid: [[port]]");
            return Vec::new();
        }
        other => {
            problems.add(&node.span, "port", format!("{} is no port", other.shown()), PORTS);
            return Vec::new();
        }
    };
    if !check_count(problems, node, "port", items.len()) {
        return Vec::new();
    }
    let (mut plans, mut facts) = (Vec::new(), Vec::new());
    for item in items {
        let Value::Table(table) = &item.value else {
            let wrong = format!("{} is no port", item.value.shown());
            problems.add(&item.span, "port", wrong, PORTS);
            continue;
        };
        let section = Section::open(problems, "port", item.span.clone(), table, port::KEYS);
        let name = section.read(problems, "name", port::interface);
        if !section.has("name") {
            problems.add(&section.span, section.path("name"), "is missing", port::NAME);
        }
        let defaults = PortDefaults::default();
        let base = defaults.port("", Role::Vif);
        let (plan, fact) = port::read(problems, &section, &base, &defaults, workers);
        plans.extend(name.map(|name| PortPlan {
            at: problems.locate(&name.span),
            name: name.value,
            ..plan
        }));
        facts.push(fact);
    }
    if !facts.is_empty() {
        let first = plans.iter().find_map(|port| port.at.clone());
        check_all(problems, ("port.role", first), &facts);
        check_names(problems, &plans);
    }
    plans
}

/// The object `ports`: those of `base` in their order, then new ones. A port of the bridge is
/// planned only once it differs from what every such port gets.
pub(super) fn of_document(
    problems: &mut Problems<'_>,
    root: &Table,
    base: &Plan,
    known: &[String],
) -> Vec<PortPlan> {
    let empty = Table::default();
    let (node, ports) = match root.get("ports") {
        Some(node) => match &node.value {
            Value::Table(ports) => (Some(node), ports),
            other => {
                let wrong = format!("{} is not a table", other.shown());
                problems.add(&node.span, "ports", wrong, DOCUMENT_PORTS);
                return Vec::new();
            }
        },
        None => (None, &empty),
    };
    let nowhere = Node { span: 0..0, value: Value::Null };
    if !check_count(problems, node.unwrap_or(&nowhere), "ports", ports.len()) {
        return Vec::new();
    }
    let follows = |name: &str| base.bridge.is_some() && known.iter().any(|known| known == name);
    check_removed(problems, ports, base, known);
    let listed = base.ports.iter().map(|port| port.name.as_str());
    let new = ports.iter().map(|(name, _)| name);
    let new = new.filter(|name| base.ports.iter().all(|port| port.name != **name));
    let (mut plans, mut facts) = (Vec::new(), Vec::new());
    for name in listed.chain(new) {
        let Some(node) = ports.get(name) else { continue };
        let path = format!("ports.{name}");
        let Value::Table(table) = &node.value else {
            let wrong = format!("{} is no port", node.value.shown());
            problems.add(&node.span, path, wrong, DOCUMENT_PORTS);
            continue;
        };
        if let Err(fault) = port::interface(&Value::Text(name.to_owned())) {
            problems.add(&node.span, path, fault.wrong, fault.valid);
            continue;
        }
        let section = Section::open(problems, path, node.span.clone(), table, port::LIVE_KEYS);
        let old = base.port_named(name);
        let (mut plan, fact) = port::read(problems, &section, &old, &base.defaults, &[]);
        facts.push(fact);
        let of_bridge = old.of_bridge || (follows(name) && !base.lists(name));
        plan.of_bridge = of_bridge;
        let plain = PortPlan { of_bridge, ..base.defaults.port(name, Role::Vif) };
        if !of_bridge || plan != plain {
            plans.push(plan);
        }
    }
    check_all(problems, ("ports", None), &facts);
    plans
}

/// What is refused where a client names a port that there is not, without saying what it should
/// become.
pub fn no_such_port(name: &str) -> ConfigErrors {
    ConfigErrors::argument(
        &format!("ports.{name}"),
        "there is no such port",
        "valid: a port that `weir port list` shows, or a role for a new one",
    )
}

fn check_count(problems: &mut Problems<'_>, node: &Node, key: &'static str, count: usize) -> bool {
    let right = (1..=MAX_PORTS).contains(&count);
    if !right {
        let wrong = format!("{count} ports are listed");
        problems.add(&node.span, key, wrong, format!("valid: 1 to {MAX_PORTS}"));
    }
    right
}

/// A port of the bridge would be taken in again at once.
fn check_removed(problems: &mut Problems<'_>, ports: &Table, base: &Plan, known: &[String]) {
    let Some(bridge) = &base.bridge else { return };
    for name in known.iter().filter(|name| ports.get(name).is_none()) {
        let wrong = format!("cannot be deleted while it is a port of the bridge {bridge}");
        let valid = format!("valid: take it out of the bridge (ip link set dev {name} nomaster)");
        problems.add(&(0..0), format!("ports.{name}"), wrong, valid);
    }
}

/// What must hold between the ports; `all` is where they are found fault with together.
fn check_all(problems: &mut Problems<'_>, all: (&str, Option<Located>), facts: &[Facts]) {
    let promised: u128 =
        facts.iter().flat_map(|f| &f.min).map(|f| u128::from(f.value.bits_per_s)).sum();
    for facts in facts {
        let Some(link) = &facts.link else { continue };
        let own = facts.min.as_ref().map_or(0, |min| u128::from(min.value.bits_per_s));
        // What a port sends does not go out by the port itself.
        let others = Rate::new(u64::try_from(promised - own).unwrap_or(u64::MAX));
        if others > link.value {
            let wrong = format!(
                "{} is less than the sum of the other ports' min-rate, {others}",
                link.value
            );
            problems.add(&link.span, &*facts.rate_path, wrong, format!("valid: at least {others}"));
        }
    }
    if facts.iter().all(|facts| facts.role == Some(Role::Vif)) {
        problems.add_at(
            all.1,
            all.0,
            "no port is an uplink",
            "valid: at least one port with role = \"uplink\", where unknown destinations go",
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
