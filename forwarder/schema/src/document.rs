//! A plan as the document that clients read and patch.

use serde_json::{Map, Value};

use crate::{Plan, setting::Section};

impl Plan {
    /// The settings that can be changed while traffic flows. `known` names the ports that joined the
    /// bridge. A port's key is `null` where the value of `[container]` or of its role applies, or none.
    pub fn document(&self, known: &[String]) -> Value {
        let listed = self.ports.iter().map(|port| (port.name.clone(), section(port)));
        let others = known
            .iter()
            .filter(|name| self.bridge.is_some() && !self.lists(name))
            .map(|name| (name.clone(), section(&self.port_named(name))));
        let ports: Map<String, Value> = listed.chain(others).collect();
        Map::from_iter([
            ("scheduler".to_owned(), section(&self.scheduler)),
            ("container".to_owned(), section(&self.container)),
            ("ports".to_owned(), ports.into()),
        ])
        .into()
    }
}

pub(crate) fn section<S: Section>(section: &S) -> Value {
    let changeable = S::settings().iter().filter(|row| row.about.effect.by_patch());
    changeable.map(|row| (row.about.key.to_owned(), (row.json)(section))).collect()
}
