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
        let changeable = |setting: &Declaration| setting.effect.by_patch();
        Map::from_iter([
            (SchedulerPlan::NAME.to_owned(), section(&self.scheduler, changeable)),
            (ContainerPlan::NAME.to_owned(), section(&self.container, changeable)),
            ("ports".to_owned(), self.ports(known, changeable)),
        ])
        .into()
    }

    /// The same with all settings.
    pub(crate) fn whole(&self, known: &[String]) -> Value {
        let all = |_: &Declaration| true;
        Map::from_iter([
            (ForwarderPlan::NAME.to_owned(), section(&self.forwarder, all)),
            (ContainerPlan::NAME.to_owned(), section(&self.container, all)),
            (SchedulerPlan::NAME.to_owned(), section(&self.scheduler, all)),
            (MeasurePlan::NAME.to_owned(), section(&self.measure, all)),
            ("ports".to_owned(), self.ports(known, all)),
        ])
        .into()
    }

    fn ports(&self, known: &[String], wanted: fn(&Declaration) -> bool) -> Value {
        let listed = self.ports.iter().map(|port| (port.name.clone(), section(port, wanted)));
        let others = known.iter().filter(|name| !self.lists(name));
        let others = others.map(|name| (name.clone(), section(&self.port_named(name), wanted)));
        Value::Object(listed.chain(others).collect())
    }
}

pub(crate) fn section<S: Section>(section: &S, wanted: fn(&Declaration) -> bool) -> Value {
    let rows = S::settings().iter().filter(|row| wanted(&row.about));
    rows.map(|row| (row.about.key.to_owned(), (row.json)(section))).collect()
}
