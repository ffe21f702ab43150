//! Changes a plan by a client's merge patch (RFC 7396) on its document. Invariant: a plan changes as a
//! whole or not at all, and the declarations that read the file decide what it may become, in the same
//! words.

use serde_json::{Map, Value};
use weir_core::Role;

use crate::{
    ConfigErrors, ContainerPlan, Host, Plan, PortPlan, SchedulerPlan,
    ports::{check_all, check_count, no_such_port},
    problem::Problems,
    setting::Context,
    table::{self, Places},
    value::{Value as _, is_interface_name},
    written::{Node, Table, Written},
};

const SECTIONS: [&str; 3] = ["scheduler", "container", "ports"];
const FIXED: [&str; 2] = ["forwarder", "measure"];
const PORTS: &str = "valid: the ports by name, such as {\"v1\": {\"weight\": 4}}";

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
        let Value::Object(patch) = patch else {
            let wrong = "is no JSON object";
            let valid = "valid: what is to change, such as {\"ports\": {\"v1\": {\"weight\": 4}}}";
            return Err(PatchError::Invalid(ConfigErrors::argument("patch", wrong, valid)));
        };
        self.check_named(patch, known)?;
        let root = Table::from(patch);
        let mut problems = Problems::new(None);
        for (word, entry) in root.iter().filter(|(word, _)| !SECTIONS.contains(word)) {
            if !matches!(entry.node.value, Written::Null) {
                let fixed = FIXED.contains(&word);
                table::unknown_key(&mut problems, &(0..0), word, word, fixed, &SECTIONS);
            }
        }
        // No patchable setting needs the host's cores.
        let host = Host { cores: Vec::new() };
        let context = Context { host: &host, workers: &[] };
        let mut plan = self.clone();
        let defaults = ContainerPlan::default();
        table::section(&mut problems, &root, Some(&defaults), &mut plan.container, &context);
        let defaults = SchedulerPlan::default();
        table::section(&mut problems, &root, Some(&defaults), &mut plan.scheduler, &context);
        plan.patch_ports(&mut problems, root.get("ports"), known, &context);
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
            .map(|(name, _)| no_such_port(name));
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
        node: Option<&Node>,
        known: &[String],
        context: &Context<'_>,
    ) {
        let none = Table::default();
        let (patches, all_deleted) = match node.map(|node| &node.value) {
            Some(Written::Table(patches)) => (patches, false),
            Some(Written::Null) => (&none, true),
            None => (&none, false),
            Some(other) => {
                let wrong = format!("{} is not a table", other.shown());
                return problems.add(&(0..0), "ports", wrong, PORTS);
            }
        };
        let patch_of = |name: &str| match patches.get(name).map(|node| &node.value) {
            None if all_deleted => Some(&Written::Null),
            patch => patch,
        };
        let deleted = |name: &str| matches!(patch_of(name), Some(Written::Null));
        self.check_deleted(problems, known.iter().filter(|name| deleted(name)));
        let unlisted = |name: &&str| !self.lists(name);
        let listed = self.ports.iter().map(|port| port.name.as_str());
        let new = patches.iter().map(|(name, _)| name).filter(unlisted);
        let names: Vec<&str> = listed.chain(new).filter(|name| !deleted(name)).collect();
        let untouched = known.iter().filter(|name| {
            self.follows(name, known) && !self.lists(name) && patch_of(name).is_none()
        });
        let count = names.len() + untouched.count();
        let read = |name| self.patch_port(problems, name, patch_of(name), known, context);
        let ports: Vec<(PortPlan, Places)> = names.into_iter().filter_map(read).collect();
        let nowhere = Node { span: 0..0, value: Written::Null };
        if !check_count(problems, &nowhere, "ports", count) {
            return;
        }
        check_all(problems, ("ports", None), ports.iter().map(|(port, read)| (port, read)));
        let plain = |port: &PortPlan| {
            let same = PortPlan { of_bridge: true, ..self.defaults.port(&port.name, Role::Vif) };
            *port == same
        };
        self.ports = ports.into_iter().map(|(port, _)| port).filter(|port| !plain(port)).collect();
    }

    /// One port of the patch; `None`: it is not a port.
    fn patch_port(
        &self,
        problems: &mut Problems<'_>,
        name: &str,
        patch: Option<&Written>,
        known: &[String],
        context: &Context<'_>,
    ) -> Option<(PortPlan, Places)> {
        let path = format!("ports.{name}");
        let mut port = self.port_named(name);
        let (wrong, valid) = match patch {
            None => return Some((port, Places::none(path))),
            Some(Written::Table(table)) if is_interface_name(name) => {
                port.of_bridge |= self.follows(name, known) && !self.lists(name);
                let defaults = Some(&self.defaults);
                let read = table::read(problems, &path, table, defaults, &mut port, context);
                return Some((port, read));
            }
            Some(Written::Table(_)) => (
                format!("\"{name}\" cannot be an interface's name"),
                format!("valid: {}", String::kind(&()).valid),
            ),
            Some(other) => (format!("{} is no port", other.shown()), PORTS.to_owned()),
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
