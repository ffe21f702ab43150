//! A plan as the document that clients read and patch, and the differences between two of them, key by
//! key, in the operator's words.

use std::fmt;

use serde_json::{Map, Value};

use crate::{
    ContainerPlan, Declaration, Effect, ForwarderPlan, MeasurePlan, Plan, PortPlan, SchedulerPlan,
    pages, setting::Section,
};

impl Plan {
    /// The settings that can be changed while traffic flows. `known` names the ports that joined the
    /// bridge. A port's key is `null` where the value of `[container]` or of its role applies, or none.
    pub fn document(&self, known: &[String]) -> Value {
        let known = if self.bridge.is_some() { known } else { &[] };
        self.settings(known, |setting| setting.effect.by_patch())
    }

    /// The same with all settings.
    pub(crate) fn whole(&self, known: &[String]) -> Value {
        self.settings(known, |_| true)
    }

    /// The wanted settings; a section that has none of them is left out.
    fn settings(&self, known: &[String], wanted: fn(&Declaration) -> bool) -> Value {
        let sections = [
            (ForwarderPlan::NAME, section(&self.forwarder, wanted)),
            (ContainerPlan::NAME, section(&self.container, wanted)),
            (SchedulerPlan::NAME, section(&self.scheduler, wanted)),
            (MeasurePlan::NAME, section(&self.measure, wanted)),
        ];
        let some = sections.into_iter().filter(|(_, settings)| !settings.is_empty());
        let listed = self.ports.iter().cloned();
        let others = known.iter().filter(|name| !self.lists(name));
        let ports = listed.chain(others.map(|name| self.port_named(name)));
        let ports = ports.map(|port| (port.name.clone(), section(&port, wanted).into())).collect();
        let all = some.chain([("ports", ports)]);
        all.map(|(name, settings)| (name.to_owned(), Value::Object(settings))).collect()
    }
}

pub(crate) fn section<S: Section>(
    section: &S,
    wanted: fn(&Declaration) -> bool,
) -> Map<String, Value> {
    let rows = S::SETTINGS.iter().filter(|row| wanted(&row.about));
    rows.map(|row| (row.about.key.to_owned(), (row.json)(section))).collect()
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The port that changed; `None`: a setting for all ports.
    pub port: Option<String>,
    pub kind: DifferenceKind,
    /// It in words, with the names that a configuration file has: `port v1: weight 1 -> 4`.
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    PortAdded,
    PortRemoved,
    Setting(Effect),
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = match self.kind {
            DifferenceKind::Setting(Effect::Reattach | Effect::Reload) => {
                " (the port is taken out and in again)"
            }
            DifferenceKind::Setting(Effect::Restart) => " (needs a restart)",
            _ => "",
        };
        write!(out, "{}{note}", self.what)
    }
}

/// The differences of two documents: first those of the sections, then of the new one's ports, then the
/// ports that it lacks. Empty: the two are equal.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    for listed in pages::all().iter().filter(|listed| listed.section != PortPlan::NAME) {
        let section = |document| table(document, listed.section).unwrap_or_default();
        for (change, effect) in between(&listed.settings, &section(old), &section(new)) {
            let what = format!("{}.{change}", listed.section);
            found.push(Difference { port: None, kind: DifferenceKind::Setting(effect), what });
        }
    }
    let [old, new] = [old, new].map(|document| table(document, "ports").unwrap_or_default());
    let settings = pages::listed::<PortPlan>().settings;
    let of_port = |name: &String, kind, change: &str| {
        let what = format!("port {name}: {change}");
        Difference { port: Some(name.clone()), kind, what }
    };
    for (name, port) in &new {
        let (before, after) = (old.get(name).and_then(Value::as_object), port.as_object());
        let (Some(before), Some(after)) = (before, after) else {
            found.push(of_port(name, DifferenceKind::PortAdded, "added"));
            continue;
        };
        for (change, effect) in between(&settings, before, after) {
            found.push(of_port(name, DifferenceKind::Setting(effect), &change));
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        found.push(of_port(name, DifferenceKind::PortRemoved, "removed"));
    }
    found
}

fn table(document: &Value, key: &str) -> Option<Map<String, Value>> {
    document.get(key)?.as_object().cloned()
}

/// The keys that differ, as `weight 1 -> 4`, in the order of `settings`; unknown ones come last.
fn between(
    settings: &[&'static Declaration],
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Vec<(String, Effect)> {
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
        let effect = setting.map_or(Effect::Live, |setting| setting.effect);
        (format!("{key} {} -> {}", shown(from), shown(to)), effect)
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
    for row in S::SETTINGS.iter().filter(|row| row.about.effect == Effect::Restart) {
        (row.copy)(old, new);
    }
}
