//! What is different between two plans, key by key, in the operator's words.

use std::fmt;

use weir_core::{
    ids::Mac,
    units::{ByteSize, Rate, Span},
};

use crate::control::plan::{Plan, PortPlan, Role};

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
    /// A key of a section: `scheduler.policy`.
    Global {
        key: &'static str,
        from: String,
        to: String,
    },
}

/// What a change asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is made while traffic flows.
    Live,
    /// The port is taken out and in again.
    Anew,
    /// It is made when weir starts, and not before.
    Restart,
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
            What::Global { key, from, to } => write!(out, "{key} {from} -> {to}")?,
        }
        match self.effect {
            Effect::Live => Ok(()),
            Effect::Anew => write!(out, " (the port is taken out and in again)"),
            Effect::Restart => write!(out, " (needs a restart)"),
        }
    }
}

impl Plan {
    /// What `new` has otherwise: first what is for all, then by port in its order, then the ports
    /// that it lacks. Empty: they promise the same.
    pub fn differences(&self, new: &Self) -> Vec<Difference> {
        let mut found: Vec<Difference> = globals(self)
            .into_iter()
            .zip(globals(new))
            .filter(|((_, from, _), (_, to, _))| from != to)
            .map(|((key, from, effect), (_, to, _))| Difference {
                what: What::Global { key, from, to },
                effect,
            })
            .collect();
        let (added, removed) = (
            |name: &str| What::PortAdded { name: name.to_owned() },
            |name: &str| What::PortRemoved { name: name.to_owned() },
        );
        for port in &new.ports {
            if port.of_bridge || self.lists(&port.name) {
                found.extend(between(&self.port_named(&port.name), port));
            } else {
                found.push(Difference { what: added(&port.name), effect: Effect::Live });
            }
        }
        for port in self.ports.iter().filter(|port| !new.lists(&port.name)) {
            if port.of_bridge {
                found.extend(between(port, &new.defaults.port(&port.name, Role::Vif)));
            } else {
                found.push(Difference { what: removed(&port.name), effect: Effect::Live });
            }
        }
        found
    }
}

type Key = (&'static str, String, Effect);

fn globals(plan: &Plan) -> [Key; 14] {
    use Effect::{Live, Restart};
    let (forwarder, container, measure) = (&plan.forwarder, &plan.container, &plan.measure);
    let metrics = forwarder.metrics.map_or("none".to_owned(), |address| address.to_string());
    [
        ("forwarder.workers", list(&forwarder.workers), Restart),
        ("forwarder.idle", forwarder.idle.to_string(), Restart),
        ("forwarder.control", forwarder.control.display().to_string(), Restart),
        ("forwarder.metrics", metrics, Restart),
        ("container.bytes", ByteSize::new(container.bytes).to_string(), Restart),
        ("container.release", container.release.to_string(), Live),
        ("container.timeout", span(container.timeout_ns), Live),
        ("container.alpha", container.alpha.to_string(), Live),
        ("container.work-conserving", container.work_conserving.to_string(), Live),
        ("scheduler.policy", plan.scheduler.policy.to_string(), Live),
        ("scheduler.inactive-after", span(plan.scheduler.inactive_after_ns), Live),
        ("measure.latency", measure.latency.to_string(), Restart),
        ("measure.flows", measure.flows.to_string(), Restart),
        ("measure.flow-idle", span(measure.flow_idle_ns), Restart),
    ]
}

fn keys(port: &PortPlan) -> [Key; 19] {
    use Effect::{Anew, Live, Restart};
    let rate = |rate: Option<Rate>| rate.map_or("none".to_owned(), |rate| rate.to_string());
    let macs: Vec<Mac> = port.mac_lock.iter().map(|octets| Mac::from(*octets)).collect();
    [
        ("role", port.role.to_string(), Anew),
        ("mode", port.mode.to_string(), Anew),
        ("rate", rate(port.rate), Live),
        ("weight", port.weight.to_string(), Live),
        ("min-rate", rate(port.min_rate), Live),
        ("max-rate", rate(port.max_rate), Live),
        ("burst", ByteSize::new(port.burst_bytes).to_string(), Live),
        ("queue", ByteSize::new(port.queue_bytes).to_string(), Live),
        ("release", or_default(port.release), Live),
        ("timeout", or_default(port.timeout_ns.map(Span::new)), Live),
        ("work-conserving", or_default(port.work_conserving), Live),
        ("lane", port.lane.to_string(), Live),
        ("worker", port.worker.map_or("any".to_owned(), |core| core.to_string()), Restart),
        ("fallback", port.fallback.to_string(), Anew),
        ("storm", or_default(port.storm), Live),
        ("reserved", or_default(port.reserved), Live),
        ("foreign-rules", port.foreign_rules.to_string(), Live),
        ("mac-lock", list(&macs), Anew),
        ("ip-lock", list(&port.ip_lock), Anew),
    ]
}

fn between(old: &PortPlan, new: &PortPlan) -> impl Iterator<Item = Difference> {
    let name = new.name.clone();
    keys(old).into_iter().zip(keys(new)).filter(|((_, from, _), (_, to, _))| from != to).map(
        move |((key, from, effect), (_, to, _))| Difference {
            what: What::Port { name: name.clone(), key, from, to },
            effect,
        },
    )
}

/// Of what `[container]`, or the port's role, says unless the port says otherwise.
fn or_default(own: Option<impl ToString>) -> String {
    own.map_or("default".to_owned(), |own| own.to_string())
}

fn list(items: &[impl ToString]) -> String {
    match items {
        [] => "none".to_owned(),
        items => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    }
}

fn span(ns: u64) -> String {
    Span::new(ns).to_string()
}
