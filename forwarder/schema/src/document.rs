//! A plan as the document that clients read and patch.

use serde_json::{Map, Value};

use crate::{
    ContainerPlan, Declaration, ForwarderPlan, MeasurePlan, Plan, SchedulerPlan, setting::Section,
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
    let rows = S::settings().iter().filter(|row| wanted(&row.about));
    rows.map(|row| (row.about.key.to_owned(), (row.json)(section))).collect()
}
