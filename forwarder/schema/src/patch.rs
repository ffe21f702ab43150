//! Changes a plan by a client's merge patch (RFC 7396) on its document. Invariant: a plan changes as a
//! whole or not at all. The patched document is read as a file is, by the same declarations, and refused
//! in the same words.

use serde_json::{Map, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    ConfigErrors, ContainerPlan, Host, Plan, PortPlan, SchedulerPlan,
    file::{check_all, check_count},
    problem::Problems,
    setting::Context,
    table::{self, Places},
    value::{Value as _, is_interface_name, shown},
};

const SECTIONS: [&str; 3] = ["scheduler", "container", "ports"];
const FIXED: [&str; 2] = ["forwarder", "measure"];
const PORTS: &str = "valid: the ports by name, such as {\"v1\": {\"weight\": 4}}";
const PATCH: &str = "valid: what is to change, such as {\"ports\": {\"v1\": {\"weight\": 4}}}";

/// Why a patch is refused. The plan is unchanged then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error("{0}")]
    NoSuchPort(ConfigErrors),
    #[error("{0}")]
    Invalid(ConfigErrors),
}

impl Plan {
    /// The plan that results from a merge patch on `self.document(known)`. Settings outside the
    /// document stay as they are; whether a new port's interface exists is not checked here.
    pub fn patch(&self, patch: &Value, known: &[String]) -> Result<Self, PatchError> {
        let invalid =
            |wrong: String| PatchError::Invalid(ConfigErrors::argument("patch", wrong, PATCH));
        let Value::Object(named) = patch else {
            return Err(invalid("is no JSON object".to_owned()));
        };
        self.check_named(named, known)?;
        let mut document = Value::Null;
        merge(&mut document, &self.document(known));
        merge(&mut document, patch);
        // A number or a null in a list that a file cannot have.
        let text = toml::to_string(&document).map_err(|error| invalid(error.to_string()))?;
        let root = DeTable::parse(&text).map_err(|error| invalid(error.message().to_owned()))?;
        let root = root.get_ref();
        let mut problems = Problems::new(None);
        for word in root.keys().filter(|word| !SECTIONS.contains(&word.get_ref().as_ref())) {
            let fixed = FIXED.contains(&word.get_ref().as_ref());
            table::unknown_key(&mut problems, word, word.get_ref(), fixed, &SECTIONS);
        }
        // No patchable setting needs the host's cores.
        let host = Host { cores: Vec::new() };
        let context = Context { host: &host, workers: &[] };
        let mut plan = self.clone();
        let default = Some(&ContainerPlan::default());
        plan.container = table::section(&mut problems, root, default, plan.container, &context);
        let default = Some(&SchedulerPlan::default());
        plan.scheduler = table::section(&mut problems, root, default, plan.scheduler, &context);
        plan.patch_ports(&mut problems, root, known, &context);
        problems.finish().map(|()| plan).map_err(PatchError::Invalid)
    }

    /// A new port must be given a role, so that a slip in a name makes none.
    fn check_named(&self, patch: &Map<String, Value>, known: &[String]) -> Result<(), PatchError> {
        let Some(Value::Object(ports)) = patch.get("ports") else { return Ok(()) };
        let missing = ports
            .iter()
            .filter(|(name, port)| {
                let slip = match port {
                    Value::Object(port) => port.get("role").is_none_or(Value::is_null),
                    other => other.is_null(),
                };
                slip && !self.lists(name) && !self.follows(name, known)
            })
            .map(|(name, _)| {
                let valid = "valid: a port that `weir port list` shows, or a role for a new one";
                ConfigErrors::argument(&format!("ports.{name}"), "there is no such port", valid)
            });
        let errors = missing.reduce(ConfigErrors::and);
        errors.map_or(Ok(()), |errors| Err(PatchError::NoSuchPort(errors)))
    }

    fn follows(&self, name: &str, known: &[String]) -> bool {
        self.bridge.is_some() && known.iter().any(|known| known == name)
    }

    /// The object `ports`: existing ones in their order, then new ones. A port of the bridge gets a
    /// plan only once it differs from the default of such ports.
    fn patch_ports(
        &mut self,
        problems: &mut Problems<'_>,
        root: &DeTable<'_>,
        known: &[String],
        context: &Context<'_>,
    ) {
        let none = DeTable::new();
        let tables = match root.get("ports").map(Spanned::get_ref) {
            None => &none,
            Some(DeValue::Table(tables)) => tables,
            Some(other) => {
                let wrong = format!("{} is not a table", shown(other));
                return problems.add(&(0..0), "ports", wrong, PORTS);
            }
        };
        self.check_deleted(
            problems,
            known.iter().filter(|name| !tables.contains_key(name.as_str())),
        );
        let listed = self.ports.iter().map(|port| port.name.as_str());
        let new = tables.keys().map(|name| name.get_ref().as_ref());
        let names = listed.chain(new.filter(|name| !self.lists(name)));
        let patched = names.filter_map(|name| Some((name, tables.get(name)?.get_ref())));
        let read = |(name, table)| self.patch_port(problems, name, table, known, context);
        let ports: Vec<(PortPlan, Places)> = patched.filter_map(read).collect();
        if !check_count(problems, &(0..0), "ports", tables.len()) {
            return;
        }
        check_all(problems, ("ports", None), ports.iter().map(|(port, read)| (port, read)));
        let ports = ports.into_iter().map(|(port, _)| port);
        self.ports = ports.filter(|port| *port != self.plain(&port.name)).collect();
    }

    /// One port of the document; `None`: it is not a port.
    fn patch_port(
        &self,
        problems: &mut Problems<'_>,
        name: &str,
        value: &DeValue<'_>,
        known: &[String],
        context: &Context<'_>,
    ) -> Option<(PortPlan, Places)> {
        let path = format!("ports.{name}");
        let (wrong, valid) = match value {
            DeValue::Table(table) if is_interface_name(name) => {
                let mut port = self.port_named(name);
                port.of_bridge &= self.lists(name) || self.follows(name, known);
                let defaults = Some(&self.defaults);
                let read = table::read(problems, &path, table, defaults, &mut port, context);
                return Some((port, read));
            }
            DeValue::Table(_) => (
                format!("\"{name}\" cannot be an interface's name"),
                format!("valid: {}", String::kind(&()).valid),
            ),
            other => (format!("{} is no port", shown(other)), PORTS.to_owned()),
        };
        problems.add(&(0..0), path, wrong, valid);
        None
    }

    /// Refuses deletions of a bridge's port, which would be taken in again at once.
    fn check_deleted<'n>(
        &self,
        problems: &mut Problems<'_>,
        deleted: impl Iterator<Item = &'n String>,
    ) {
        let Some(bridge) = &self.bridge else { return };
        for name in deleted {
            let wrong = format!("cannot be deleted while it is a port of the bridge {bridge}");
            let valid =
                format!("valid: take it out of the bridge (ip link set dev {name} nomaster)");
            problems.add(&(0..0), format!("ports.{name}"), wrong, valid);
        }
    }
}

/// Applies a merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Map::new().into();
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}
