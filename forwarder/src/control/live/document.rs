//! A plan as the document that clients read and patch.

use serde_json::{Map, Value, json};
use weir_core::{
    ids::Mac,
    units::{ByteSize, Rate, Span},
};

use crate::control::plan::{Plan, PortPlan};

impl Plan {
    /// What can be changed while traffic flows. `known` names the ports that there are
    /// because they joined the bridge. `null` on a key of a port: what `[container]` or its role
    /// says, or none.
    pub fn document(&self, known: &[String]) -> Value {
        let listed = self.ports.iter().map(|port| (port.name.clone(), document(port)));
        let others = known
            .iter()
            .filter(|name| self.bridge.is_some() && !self.lists(name))
            .map(|name| (name.clone(), document(&self.port_named(name))));
        let ports: Map<String, Value> = listed.chain(others).collect();
        json!({
            "scheduler": {
                "policy": self.scheduler.policy.to_string(),
                "inactive-after": span(self.scheduler.inactive_after_ns),
            },
            "container": {
                "release": self.container.release.to_string(),
                "timeout": span(self.container.timeout_ns),
                "alpha": self.container.alpha,
                "work-conserving": self.container.work_conserving,
            },
            "ports": ports,
        })
    }
}

fn document(port: &PortPlan) -> Value {
    let rate = |rate: Option<Rate>| rate.map(|rate| rate.to_string());
    let macs: Vec<String> =
        port.mac_lock.iter().map(|octets| Mac::from(*octets).to_string()).collect();
    let ips: Vec<String> = port.ip_lock.iter().map(ToString::to_string).collect();
    json!({
        "role": port.role.to_string(),
        "weight": port.weight,
        "min-rate": rate(port.min_rate),
        "max-rate": rate(port.max_rate),
        "burst": ByteSize::new(port.burst_bytes).to_string(),
        "rate": rate(port.rate),
        "queue": ByteSize::new(port.queue_bytes).to_string(),
        "release": port.release.map(|release| release.to_string()),
        "timeout": port.timeout_ns.map(span),
        "work-conserving": port.work_conserving,
        "lane": port.lane.to_string(),
        "storm": port.storm,
        "reserved": port.reserved.map(|reserved| reserved.to_string()),
        "foreign-rules": port.foreign_rules.to_string(),
        "mac-lock": macs,
        "ip-lock": ips,
    })
}

fn span(ns: u64) -> String {
    Span::new(ns).to_string()
}
