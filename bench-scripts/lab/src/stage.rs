//! One peer on one bed, ready for a scene, and taken down afterwards.
//!
//! - [`seats`]: the places of senders and receivers
//! - `promises`: the peers' configuration, and what each VM may expect
//!
//! With routers `vmN` is router N, its promise is that of its right vif, and the link that has a rate
//! is the one to the right host. The destination address tells which router a frame passed, since plain
//! Linux forwarding has only one MAC address: see [`Stage::tells_apart_by`].
//!
//! Invariant: each cell has a bed of its own, so that no peer inherits another's queues; every peer
//! gets the same promises, in its own configuration. Before traffic starts, forwarders know every
//! station, and no neighbour is resolved afterwards. Senders have core 0, weir's worker core 1.

mod promises;
mod seats;

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use system_tests::bed::{FAMILIES, GUEST_IF, Layout, RIGHT_PORT, UPLINK_PORT};
use system_tests::observer::By;
use system_tests::peers::forwarders::{bare, ovs, redirect, testpmd};
use system_tests::traffic::ping;
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Guest, Ns, Weir};

use crate::spec::{Peer, PeerKind, Scene, Seat, Topology};

pub use self::seats::Spot;

pub const SENDERS: usize = 0;
pub const WORKER: usize = 1;

/// The first echo over a new path may be lost, and a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(10);
/// Echoes under way at once.
const AT_ONCE: usize = 16;

/// Dropped from the top: the forwarder goes before the hosts that it forwards between.
#[derive(Debug)]
pub struct Stage {
    pub weir: Option<Weir>,
    /// Another forwarder, which ends when it is dropped.
    _other: Option<Box<dyn Debug>>,
    pub bed: Bed,
    pub scene: Scene,
    peer: Peer,
}

impl Stage {
    /// Builds the bed, starts the peer, waits until every path works.
    pub fn new(peer: &Peer, scene: &Scene) -> Result<Self> {
        let bed = bed(peer.kind, scene).build().context("the bed")?;
        if !scene.offloads {
            without_offloads(&bed)?;
        }
        let mut weir = None;
        let other: Option<Box<dyn Debug>> = match peer.kind {
            PeerKind::Weir => {
                weir = Some(Weir::start(&bed, &promises::weir(peer, scene)?)?);
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

    /// The ledger must balance after every cell, and the process must end well.
    pub fn finish(mut self) -> Result<()> {
        let Some(weir) = self.weir.take() else { return Ok(()) };
        weir.assert_ledger().context("after the scene")?;
        weir.stop()
    }

    /// Checks both families between each VM and the uplink host, by each router and back, and the
    /// further paths of the scene's traffic.
    fn make_ready(&self) -> Result<()> {
        self.bed.learn_neighbours()?;
        for paths in self.paths()?.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let asking: Vec<_> =
                    paths.iter().map(|(ns, to)| scope.spawn(move || answers(ns, *to))).collect();
                asking
                    .into_iter()
                    .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a ping panicked"))?)
            })?;
        }
        Ok(())
    }

    /// Sources and destinations; echoes are answered, so that each checks both directions.
    fn paths(&self) -> Result<Vec<(&Ns, IpAddr)>> {
        let mut paths: Vec<(&Ns, IpAddr)> = Vec::new();
        let (from, to) = match self.scene.topology {
            Topology::Vms => (Seat::Every, Seat::Uplink),
            Topology::Routers => (Seat::Uplink, Seat::ViaEvery),
        };
        let taken = self.scene.traffic.iter().map(|traffic| (traffic.from, traffic.to));
        for (from, to) in std::iter::once((from, to)).chain(taken) {
            for family in FAMILIES {
                for from in self.spots(from, family)? {
                    for to in self.spots(to, family)? {
                        let is_it = |(ns, addr): &(&Ns, IpAddr)| {
                            ns.name() == from.ns.name() && *addr == to.addr
                        };
                        if from.addr != to.addr && !paths.iter().any(is_it) {
                            paths.push((from.ns, to.addr));
                        }
                    }
                }
            }
        }
        Ok(paths)
    }
}

fn answers(ns: &Ns, to: IpAddr) -> Result<()> {
    wait_ok(PATIENCE, &format!("the path from {} to {to}", ns.name()), || ping(ns, to, 1))
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

fn bed(kind: PeerKind, scene: &Scene) -> BedSpec {
    let layout = match (scene.topology, kind) {
        (Topology::Vms, PeerKind::Direct | PeerKind::Sender) => Layout::Direct,
        (Topology::Vms, _) => Layout::Switch,
        (Topology::Routers, PeerKind::Linux) => Layout::HostRouter,
        (Topology::Routers, _) => Layout::Routers,
    };
    let bridge = matches!(kind, PeerKind::Bridge | PeerKind::Htb);
    // The sender's frames are examined on its own core.
    let guest_gro = kind != PeerKind::Sender;
    BedSpec { mtu: scene.mtu, bridge, guest_gro, layout, ..BedSpec::vms(scene.vms) }
}
