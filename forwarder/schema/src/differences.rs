//! The differences between two plans, key by key, in the operator's words.

use std::fmt;

use weir_core::Role;

use crate::{
    Plan, PortPlan,
    setting::{Effect, Section},
};

/// One change between two plans.
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
        key: &'static str,
        from: String,
        to: String,
    },
    /// A key of a section.
    Global {
        section: &'static str,
        key: &'static str,
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

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::PortAdded { name } => write!(out, "port {name}: added")?,
            What::PortRemoved { name } => write!(out, "port {name}: removed")?,
            What::Port { name, key, from, to } => write!(out, "port {name}: {key} {from} -> {to}")?,
            What::Global { section, key, from, to } => {
                write!(out, "{section}.{key} {from} -> {to}")?;
            }
        }
        match self.effect {
            Effect::Live => Ok(()),
            Effect::Reattach | Effect::Reload => {
                write!(out, " (the port is taken out and in again)")
            }
            Effect::Restart => write!(out, " (needs a restart)"),
        }
    }
}

/// The settings that differ; `what` gets the key, the old and the new value.
pub(crate) fn between<S: Section>(
    old: &S,
    new: &S,
    what: impl Fn(&'static str, String, String) -> What,
) -> Vec<Difference> {
    let different = S::settings().iter().filter(|row| !(row.same)(old, new));
    let told = different.map(|row| {
        let shown = |section: &S| row.about.shown(&(row.json)(section));
        let what = what(row.about.key, shown(old), shown(new));
        Difference { what, effect: row.about.effect }
    });
    told.collect()
}

fn globals<S: Section>(old: &S, new: &S) -> Vec<Difference> {
    between(old, new, |key, from, to| What::Global { section: S::NAME, key, from, to })
}

fn ports(old: &PortPlan, new: &PortPlan) -> Vec<Difference> {
    let name = &new.name;
    between(old, new, |key, from, to| What::Port { name: name.clone(), key, from, to })
}

impl Plan {
    /// The differences of `new`: first those for all ports, then by port in its order, then the ports
    /// that it lacks. Empty: the two are equal.
    pub fn differences(&self, new: &Self) -> Vec<Difference> {
        let mut found = globals(&self.forwarder, &new.forwarder);
        found.extend(globals(&self.container, &new.container));
        found.extend(globals(&self.scheduler, &new.scheduler));
        found.extend(globals(&self.measure, &new.measure));
        let whole = |what| Difference { what, effect: Effect::Live };
        for port in &new.ports {
            if port.of_bridge || self.lists(&port.name) {
                found.extend(ports(&self.port_named(&port.name), port));
            } else {
                found.push(whole(What::PortAdded { name: port.name.clone() }));
            }
        }
        for port in self.ports.iter().filter(|port| !new.lists(&port.name)) {
            if port.of_bridge {
                found.extend(ports(port, &new.defaults.port(&port.name, Role::Vif)));
            } else {
                found.push(whole(What::PortRemoved { name: port.name.clone() }));
            }
        }
        found
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
