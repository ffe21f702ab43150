//! One peer on one bed, ready for a scene, and taken down afterwards.
//!
//! - [`seats`]: the places of senders and receivers; `owed`: what each VM may expect; `ready`: checks of
//!   all paths
//! - `weir`, `linux`: the promises in their configuration
//!
//! With routers `vmN` is router N, its promise is that of its right vif, and the link that has a rate
//! is the one to the right host. The destination address tells which router a frame passed, since plain
//! Linux forwarding has only one MAC address: see [`Stage::tells_apart_by`].
//!
//! Invariant: each cell has a bed of its own, so that no peer inherits another's queues; every peer
//! gets the same promises, in its own configuration. Senders have core 0, weir's worker core 1.

mod linux;
mod owed;
mod ready;
mod seats;
mod weir;

use std::fmt::Debug;

use anyhow::{Context, Result};
use system_tests::bed::{GUEST_IF, Layout, RIGHT_PORT, UPLINK_PORT};
use system_tests::observer::By;
use system_tests::peers::forwarders::{bare, ovs, redirect, testpmd};
use system_tests::{Bed, BedSpec, Guest, Weir};

use crate::spec::{Peer, PeerKind, Scene, Topology};

pub use self::seats::{Spot, Way};

pub const SENDERS: usize = 0;
pub const WORKER: usize = 1;

/// Dropped from the top: the forwarder goes before the hosts that it forwards between.
#[derive(Debug)]
pub struct Stage {
    weir: Option<Weir>,
    /// Another forwarder, which ends when it is dropped.
    _other: Option<Box<dyn Debug>>,
    bed: Bed,
    scene: Scene,
    peer: Peer,
}

impl Stage {
    /// Builds the bed, starts the peer, waits until every path works.
    pub fn new(peer: &Peer, scene: &Scene) -> Result<Self> {
        let bed = layout(peer.kind, scene).build().context("the bed")?;
        if !scene.offloads {
            without_offloads(&bed)?;
        }
        let mut weir = None;
        let other: Option<Box<dyn Debug>> = match peer.kind {
            PeerKind::Weir => {
                weir = Some(Weir::start(&bed, &weir::spec(peer, scene)?)?);
                None
            }
            PeerKind::Bare => Some(Box::new(bare(&bed, WORKER).context("the bare loop")?)),
            PeerKind::Redirect => Some(Box::new(redirect(&bed).context("XDP redirect")?)),
            PeerKind::Ovs => Some(Box::new(ovs(&bed, WORKER).context("Open vSwitch")?)),
            PeerKind::Testpmd => Some(Box::new(testpmd(&bed, SENDERS, WORKER)?)),
            _ => None,
        };
        let stage = Self { weir, _other: other, bed, scene: scene.clone(), peer: peer.clone() };
        stage.shape().context("the link's queues")?;
        stage.make_ready()?;
        Ok(stage)
    }

    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    pub fn weir(&self) -> Option<&Weir> {
        self.weir.as_ref()
    }

    pub fn bed(&self) -> &Bed {
        &self.bed
    }

    pub fn vm(&self, number: u8) -> Result<&Guest> {
        // Counted from 1: 0 is no VM.
        let at = usize::from(number).checked_sub(1).context("VMs are counted from 1")?;
        self.bed.guest(at)
    }

    /// The VM or host with a namespace, by its name.
    pub fn guest_of(&self, ns: &str) -> Result<&Guest> {
        let mut all = self.bed.everybody();
        all.find(|guest| guest.ns.name() == ns).with_context(|| format!("no namespace {ns}"))
    }

    /// How a tally of arrivals tells sources apart: by [`Spot::number`] at either end.
    pub fn tells_apart_by(&self) -> By {
        match self.scene.topology {
            Topology::Vms => By::SourceMac,
            Topology::Routers => By::DestinationAddress,
        }
    }

    /// Gives the VMs, from the first on, other weights.
    pub fn reweigh(&self, weights: &[u32]) -> Result<()> {
        let weights = self.scene.all_weights(weights);
        match (&self.weir, self.peer.kind) {
            (Some(weir), _) => weir::reweigh(weir, &weights),
            (None, PeerKind::Htb) => self.reweigh_classes(&weights),
            (None, _) => Ok(()),
        }
    }

    /// The ledger must balance after every cell, and the process must end well.
    pub fn finish(mut self) -> Result<()> {
        let Some(weir) = self.weir.take() else { return Ok(()) };
        weir.assert_ledger().context("after the scene")?;
        weir.stop()
    }
}

/// Turns off segmentation and checksum offloads at all ends. They continue to poll, since a veth would
/// otherwise not accept redirected XDP frames.
fn without_offloads(bed: &Bed) -> Result<()> {
    for end in bed.everybody() {
        let off = format!("-K {GUEST_IF} tx off tso off gso off");
        // With a direct veth the uplink host has no such interface, and its traffic is not measured.
        if end.ns.ifindex(GUEST_IF).is_ok() {
            end.ns.ethtool(&off).with_context(|| format!("the offloads of {}", end.port))?;
        }
    }
    Ok(())
}

/// The port of the link that has a rate, if any has.
fn link_port(topology: Topology) -> &'static str {
    match topology {
        Topology::Vms => UPLINK_PORT,
        Topology::Routers => RIGHT_PORT,
    }
}

fn layout(kind: PeerKind, scene: &Scene) -> BedSpec {
    let layout = match (scene.topology, kind) {
        (Topology::Vms, PeerKind::Direct | PeerKind::Sender) => Layout::Direct,
        (Topology::Vms, _) => Layout::Switch,
        (Topology::Routers, PeerKind::Linux) => Layout::HostRouter,
        (Topology::Routers, _) => Layout::Routers,
    };
    let bridge = matches!(kind, PeerKind::Bridge | PeerKind::Htb);
    // A mere sender does not poll: the frame is examined on its core.
    let guest_gro = (scene.topology, kind) != (Topology::Vms, PeerKind::Sender);
    BedSpec { mtu: scene.mtu, bridge, guest_gro, layout, ..BedSpec::vms(scene.vms) }
}
