//! The differences between two plans or documents, key by key, in the operator's words.

use std::fmt;

use serde_json::{Map, Value};

use crate::{
    Declaration, Plan, PortPlan, pages,
    setting::{Effect, Section},
};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: What,
    pub effect: Effect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    PortAdded {
        name: String,
    },
    PortRemoved {
        name: String,
    },
    /// A key of one port, as the configuration file calls it.
    Port {
        name: String,
        key: String,
        from: String,
        to: String,
    },
    /// A key of a section.
    Global {
        section: String,
        key: String,
        from: String,
        to: String,
    },
}

impl Difference {
    /// The port that changed; `None`: a change for all.
    pub fn port(&self) -> Option<&str> {
        match &self.what {
            What::PortAdded { name } | What::PortRemoved { name } | What::Port { name, .. } => {
                Some(name)
            }
            What::Global { .. } => None,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortAdded { name } => write!(out, "port {name}: added"),
            Self::PortRemoved { name } => write!(out, "port {name}: removed"),
            Self::Port { name, key, from, to } => write!(out, "port {name}: {key} {from} -> {to}"),
            Self::Global { section, key, from, to } => {
                write!(out, "{section}.{key} {from} -> {to}")
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = match self.effect {
            Effect::Live => "",
            Effect::Reattach | Effect::Reload => " (the port is taken out and in again)",
            Effect::Restart => " (needs a restart)",
        };
        write!(out, "{}{note}", self.what)
    }
}

/// The differences of two documents: first those of the sections, then of the new one's ports, then the
/// ports that it lacks. Empty: the two are equal.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    let whole = |what| Difference { what, effect: Effect::Live };
    for listed in pages::all().iter().filter(|listed| listed.section != PortPlan::NAME) {
        let section = |document| table(document, listed.section).unwrap_or_default();
        let what =
            |key, from, to| What::Global { section: listed.section.to_owned(), key, from, to };
        found.extend(between(&listed.settings, &section(old), &section(new), what));
    }
    let [old, new] = [old, new].map(|document| table(document, "ports").unwrap_or_default());
    let settings = pages::listed::<PortPlan>().settings;
    for (name, port) in &new {
        let (before, after) = (old.get(name).and_then(Value::as_object), port.as_object());
        let (Some(before), Some(after)) = (before, after) else {
            found.push(whole(What::PortAdded { name: name.clone() }));
            continue;
        };
        let what = |key, from, to| What::Port { name: name.clone(), key, from, to };
        found.extend(between(&settings, before, after, what));
    }
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    found.extend(removed.map(|name| whole(What::PortRemoved { name: name.clone() })));
    found
}

fn table(document: &Value, key: &str) -> Option<Map<String, Value>> {
    document.get(key)?.as_object().cloned()
}

/// The keys that differ, in the order of `settings`; those of a newer weir, which are not among them,
/// come last.
fn between(
    settings: &[&'static Declaration],
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    what: impl Fn(String, String, String) -> What,
) -> Vec<Difference> {
    let none = Value::Null;
    let place = |key: &str| settings.iter().position(|setting| setting.key == key);
    let mut changed: Vec<_> = (new.iter())
        .map(|(key, to)| (place(key), key, old.get(key).unwrap_or(&none), to))
        .filter(|(_, _, from, to)| from != to)
        .collect();
    changed.sort_by_key(|(place, ..)| place.unwrap_or(usize::MAX));
    let told = changed.into_iter().map(|(place, key, from, to)| {
        let setting = place.and_then(|place| settings.get(place));
        let shown = |value: &Value| setting.map_or_else(|| value.to_string(), |it| it.shown(value));
        let what = what(key.clone(), shown(from), shown(to));
        Difference { what, effect: setting.map_or(Effect::Live, |setting| setting.effect) }
    });
    told.collect()
}

impl Plan {
    /// The differences of `new`, of all settings.
    pub fn differences(&self, new: &Self) -> Vec<Difference> {
        // A port of the bridge is planned only while its settings differ from the defaults.
        let of_bridge = |plan: &Self| -> Vec<String> {
            let ports = plan.ports.iter().filter(|port| port.of_bridge);
            ports.map(|port| port.name.clone()).collect()
        };
        differences(&self.whole(&of_bridge(new)), &new.whole(&of_bridge(self)))
    }

    /// This plan, except that settings which need a restart stay as in `old`.
    #[must_use]
    pub fn without_restart(mut self, old: &Self) -> Self {
        keep_fixed(&old.forwarder, &mut self.forwarder);
        keep_fixed(&old.container, &mut self.container);
        keep_fixed(&old.scheduler, &mut self.scheduler);
        keep_fixed(&old.measure, &mut self.measure);
        self.bridge.clone_from(&old.bridge);
        for port in &mut self.ports {
            if let Some(known) = old.ports.iter().find(|known| known.name == port.name) {
                keep_fixed(known, port);
            }
        }
        self
    }
}

fn keep_fixed<S: Section>(old: &S, new: &mut S) {
    for row in S::settings().iter().filter(|row| row.about.effect == Effect::Restart) {
        (row.copy)(old, new);
    }
}
