//! The VMs' promises: in weir's configuration and in that of Linux's own parts, and the resulting rates.
//!
//! Invariant: every peer gets the same promises. A link's rate applies to every peer; of Linux's parts
//! only HTB enforces shares and maximum rates. What is owed is computed without weir's own scheduler.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use system_tests::bed::GUEST_IF;
use system_tests::fair::{self, Sender};
use system_tests::peers::{Htb, fifo};
use system_tests::{Guest, WeirSpec};
use weir_core::{Choice, Idle, Lane, Mode};

use super::{Stage, WORKER, link_port};
use crate::spec::{Kind, Peer, PeerKind, Scene, Vm};

impl Scene {
    /// The weights of all VMs: `first` for the first ones, the others' own.
    fn all_weights(&self, first: &[u32]) -> Vec<u32> {
        let own = |number| self.promise(number).map_or(1, |vm| vm.weight);
        let others = (1..=self.vms).skip(first.len()).map(own);
        first.iter().copied().chain(others).collect()
    }

    fn promise(&self, number: u8) -> Option<&Vm> {
        self.vm.iter().find(|vm| vm.number == number)
    }

    /// All promises in Mb/s, of VMs with these weights.
    fn senders(&self, weights: &[u32]) -> Vec<Sender> {
        let sender = |(number, weight): (u8, &u32)| {
            let (min, max) = self.promise(number).map_or((None, None), |vm| (vm.min, vm.max));
            let (min, max) = (min.unwrap_or(0.0), max.unwrap_or(f64::INFINITY));
            Sender { min, max, ..Sender::greedy(f64::from(*weight)) }
        };
        (1..=self.vms).zip(weights).map(sender).collect()
    }

    /// The rate in Mb/s of frames that each VM may expect when it sends all it can or, if given, its
    /// demand in Mb/s, with these weights (followed by those of the scene): by promises and the link's
    /// rate. `None` if the link has no rate, unless every VM has a maximum.
    pub(crate) fn owed(&self, weights: &[u32], demand: &[Option<f64>]) -> Option<Vec<f64>> {
        let mut senders = self.senders(&self.all_weights(weights));
        for (sender, demand) in senders.iter_mut().zip(demand) {
            sender.demand = demand.unwrap_or(f64::INFINITY);
        }
        match self.link {
            Some(link) => Some(fair::rates(link, &senders)),
            None if senders.iter().all(|sender| sender.max.is_finite()) => {
                Some(senders.iter().map(|sender| sender.max.min(sender.demand)).collect())
            }
            None => None,
        }
    }
}

/// weir's configuration: only settings of the scene and the peer differ from its defaults.
pub(super) fn weir(peer: &Peer, scene: &Scene) -> Result<WeirSpec> {
    let usual = WeirSpec::default();
    let mut spec = WeirSpec {
        binary: peer.binary.clone(),
        workers: vec![WORKER],
        idle: peer.idle.map_or(usual.idle, Idle::name),
        mode: peer.mode.map_or(usual.mode, Mode::name),
        lane: peer.lane.map_or(usual.lane, Lane::name),
        extra: toml::to_string(&peer.config)?,
        ..usual
    };
    if let Some(link) = scene.link {
        spec = spec.port(link_port(scene.topology), &rate("rate", link));
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

/// The bed's name of the port that has VM `number`'s weight.
fn port(number: usize) -> String {
    format!("v{number}")
}

/// In bits, so that no fraction of a Mb/s is lost.
fn rate(key: &str, mbit: f64) -> String {
    format!("{key} = \"{:.0}bit\"", mbit * 1e6)
}

/// New weights as a change of weir's configuration.
fn change(weights: &[u32]) -> Value {
    let ports: Map<String, Value> = (1..)
        .zip(weights)
        .map(|(number, weight)| (port(number), json!({ "weight": weight })))
        .collect();
    json!({ "ports": ports })
}

impl Stage {
    /// The link's queues, if they are not weir's.
    pub(super) fn shape(&self) -> Result<()> {
        let (host, port, mtu) = (&self.bed.host, link_port(self.scene.topology), self.scene.mtu);
        match (self.peer.kind, self.scene.link) {
            (PeerKind::Bridge | PeerKind::Linux, Some(link)) => fifo(host, port, link, mtu)?,
            // There is no host: the VM's own end is the link's.
            (PeerKind::Direct, Some(link)) => fifo(&self.vm(1)?.ns, GUEST_IF, link, mtu)?,
            (PeerKind::Htb, _) => self.htb().make(&self.promises(&self.scene.all_weights(&[])))?,
            _ => {}
        }
        let live = self.scene.traffic.iter().any(|traffic| traffic.kind == Kind::Live);
        if live && matches!(self.peer.kind, PeerKind::Bridge | PeerKind::Htb | PeerKind::Linux) {
            // Ports that do not poll drop frames without a socket behind them.
            for port in self.bed.ports() {
                let on = host.ethtool(&format!("-K {port} gro on"));
                on.with_context(|| format!("polling at {port}"))?;
            }
        }
        Ok(())
    }

    /// Gives the VMs, from the first on, other weights.
    pub fn reweigh(&self, weights: &[u32]) -> Result<()> {
        let weights = self.scene.all_weights(weights);
        match (&self.weir, self.peer.kind) {
            (Some(weir), _) => weir.patch(&change(&weights)).map(drop),
            // Without a link's rate there are no shares of it.
            (None, PeerKind::Htb) if self.scene.link.is_some() => {
                self.htb().change(&self.promises(&weights))
            }
            (None, _) => Ok(()),
        }
    }

    fn htb(&self) -> Htb<'_> {
        Htb { host: &self.bed.host, port: link_port(self.scene.topology), mbit: self.scene.link }
    }

    fn promises(&self, weights: &[u32]) -> Vec<(&Guest, Sender)> {
        self.bed.guests.iter().zip(self.scene.senders(weights)).collect()
    }
}

#[cfg(test)]
mod tests;
