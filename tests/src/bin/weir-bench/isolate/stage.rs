//! One peer on one bed with a shaped link, ready to be measured, and taken down afterwards.
//!
//! Invariant: every peer is given the same promises, each in its own words: weights and minimum
//! rates to weir, to HTB the rates that follow from them when everybody sends.

use crate::Plan;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::time::Duration;
use system_tests::bed::{Family, UPLINK_PORT};
use system_tests::fair::{self, Sender};
use system_tests::peers::fifo;
use system_tests::peers::htb::{self, Class, Htb};
use system_tests::traffic::ping;
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec};

pub(super) const SENDERS: usize = 0;
const WORKER: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Weir,
    /// A Linux bridge; HTB at the shaped port with a class for each VM.
    Htb,
    /// A Linux bridge and one queue.
    Fifo,
}

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Htb => "htb",
            Self::Fifo => "fifo",
        }
    }

    pub(super) fn wanted(all: &[Self], plan: &crate::Plan) -> Vec<Self> {
        all.iter().copied().filter(|peer| plan.wants(peer.name())).collect()
    }
}

/// What a VM is promised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub weight: u32,
    pub min_mbit: u32,
}

impl Promise {
    pub(super) const EQUAL: Self = Self { weight: 1, min_mbit: 0 };

    pub(super) fn weight(weight: u32) -> Self {
        Self { weight, ..Self::EQUAL }
    }

    fn sender(self) -> Sender {
        Sender::greedy(f64::from(self.weight)).min(f64::from(self.min_mbit))
    }
}

/// A shaped link and those who share it.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// The shaped port, as the others see it: the uplink's, or that of guest 1.
    pub towards: Towards,
    pub mbit: u32,
    /// One for each VM.
    pub promises: Vec<Promise>,
    pub weir: WeirSpec,
    /// GRO at the bridge's ports: frames that come without a socket behind them need it.
    pub host_gro: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    Uplink,
    FirstGuest,
}

impl Scene {
    pub(super) fn new(plan: &Plan, mbit: u32, promises: &[Promise]) -> Self {
        Self {
            towards: Towards::Uplink,
            mbit,
            promises: promises.to_vec(),
            weir: WeirSpec::default().workers(&[WORKER]).idle(plan.idle).lane(plan.lane),
            host_gro: false,
        }
    }

    /// What each VM gets when all of them send all they can, in Mb/s.
    pub(super) fn owed(&self) -> Vec<f64> {
        owed(self.mbit, &self.promises)
    }

    fn shaped(&self) -> &'static str {
        match self.towards {
            Towards::Uplink => UPLINK_PORT,
            Towards::FirstGuest => "v1",
        }
    }

    fn spec(&self) -> WeirSpec {
        let rate = format!("rate = \"{}Mbit\"", self.mbit);
        let mut spec = self.weir.clone().port(self.shaped(), &rate);
        for (at, promise) in self.promises.iter().enumerate() {
            let mut lines = format!("weight = {}\n", promise.weight);
            if promise.min_mbit > 0 {
                let _ = writeln!(lines, "min-rate = \"{}Mbit\"", promise.min_mbit);
            }
            spec = spec.port(&format!("v{}", at + 1), &lines);
        }
        spec
    }
}

pub(super) fn owed(mbit: u32, promises: &[Promise]) -> Vec<f64> {
    let senders: Vec<Sender> = promises.iter().map(|promise| promise.sender()).collect();
    fair::rates(f64::from(mbit), &senders)
}

/// Drops from the top: what forwards goes before what it forwards between.
pub(super) struct Stage {
    pub weir: Option<Weir>,
    pub bed: Bed,
    scene: Scene,
}

impl Stage {
    pub(super) fn new(peer: Peer, scene: &Scene) -> Result<Self> {
        let spec = BedSpec::vms(u8::try_from(scene.promises.len())?);
        let bed = if peer == Peer::Weir { spec.build()? } else { spec.bridge().build()? };
        let weir = match peer {
            Peer::Weir => Some(Weir::start(&bed, &scene.spec())?),
            Peer::Htb | Peer::Fifo => None,
        };
        let stage = Self { weir, bed, scene: scene.clone() };
        match peer {
            Peer::Weir => {}
            Peer::Htb => stage.htb().make(&stage.classes(&scene.promises))?,
            Peer::Fifo => {
                let (port, mbit) = (scene.shaped(), f64::from(scene.mbit));
                fifo::make(&stage.bed.host, port, mbit, stage.bed.spec.mtu)?;
            }
        }
        if peer != Peer::Weir && scene.host_gro {
            for port in stage.bed.ports() {
                stage.bed.host.ethtool(&format!("-K {port} gro on"))?;
            }
        }
        stage.introduce()?;
        Ok(stage)
    }

    pub(super) fn vm(&self, at: usize) -> Result<&Guest> {
        self.bed.guest(at)
    }

    /// Neighbours are fixed, and echoes teach the forwarder where everybody is.
    fn introduce(&self) -> Result<()> {
        self.bed.learn_neighbours()?;
        for guest in &self.bed.guests {
            let up = self.bed.uplink.addr(Family::V4);
            wait_ok(Duration::from_secs(5), "the path to work", || ping(&guest.ns, up, 1))?;
        }
        Ok(())
    }

    fn htb(&self) -> Htb<'_> {
        let mbit = Some(f64::from(self.scene.mbit));
        Htb { host: &self.bed.host, port: self.scene.shaped(), mbit }
    }

    /// A class for each VM, and one for the uplink host, whose frames leave by the shaped port, too,
    /// where that is a VM's.
    fn classes(&self, promises: &[Promise]) -> Vec<Class<'_>> {
        let mbit = f64::from(self.scene.mbit);
        let senders: Vec<(&Guest, Sender)> =
            self.bed.guests.iter().zip(promises.iter().map(|promise| promise.sender())).collect();
        let mut classes = htb::classes(Some(mbit), &senders);
        classes.push(Class { from: &self.bed.uplink, rate: 1.0, ceil: mbit });
        classes
    }

    /// The ledger must balance after every measurement, and the process must end well.
    pub(super) fn finish(mut self) -> Result<Option<weir_api::StatsReport>> {
        let Some(weir) = self.weir.take() else { return Ok(None) };
        let stats = weir.assert_ledger().context("after the measurement")?;
        weir.stop()?;
        Ok(Some(stats))
    }
}
