//! A scene's promises as weir's configuration. Invariant: only settings of the scene and the peer
//! differ from weir's defaults.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Map, Value, json};
use system_tests::{Weir, WeirSpec};
use weir_core::Choice;

use super::WORKER;
use crate::spec::{Peer, Scene};

/// The bed's name of the port that has VM `number`'s weight.
fn port(number: usize) -> String {
    format!("v{number}")
}

pub(super) fn spec(peer: &Peer, scene: &Scene) -> Result<WeirSpec> {
    let binary = peer.binary.clone();
    let mut spec = WeirSpec { binary, ..WeirSpec::default().workers(&[WORKER]) };
    if let Some(idle) = peer.idle {
        spec.idle = idle.name();
    }
    if let Some(mode) = peer.mode {
        spec.mode = mode.name();
    }
    if let Some(lane) = peer.lane {
        spec.lane = lane.name();
    }
    spec.extra = toml::to_string(&peer.config)?;
    if let Some(link) = scene.link {
        spec = spec.port(super::link_port(scene.topology), &rate("rate", link));
    }
    for vm in &scene.vm {
        let mut lines = format!("weight = {}\n", vm.weight);
        for (key, mbit) in [("min-rate", vm.min), ("max-rate", vm.max)] {
            if let Some(mbit) = mbit {
                let _ = writeln!(lines, "{}", rate(key, mbit));
            }
        }
        spec = spec.port(&port(vm.number.into()), &lines);
    }
    Ok(spec)
}

/// In bits, so that no fraction of a Mb/s is lost.
fn rate(key: &str, mbit: f64) -> String {
    format!("{key} = \"{:.0}bit\"", mbit * 1e6)
}

pub(super) fn reweigh(weir: &Weir, weights: &[u32]) -> Result<()> {
    weir.patch(&change(weights)).map(drop)
}

fn change(weights: &[u32]) -> Value {
    let ports: Map<String, Value> = weights
        .iter()
        .enumerate()
        .map(|(at, weight)| (port(at + 1), json!({ "weight": weight })))
        .collect();
    json!({ "ports": ports })
}

#[cfg(test)]
mod tests;
