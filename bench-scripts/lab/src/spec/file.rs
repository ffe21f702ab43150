//! A file as a whole: its peers, its efforts, its variables. Invariant: see the module above.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Check, Figure, Published, Scale};

/// An experiment of a paper.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Experiment {
    /// `A-E1` and the like; also the file's name, and the anchor on the page.
    pub id: String,
    pub title: String,
    /// The paper's letter.
    pub paper: String,
    /// What the paper claims, in one sentence.
    pub claim: String,
    /// What the paper's set-up was; of W, which is no paper, there is none.
    #[serde(default)]
    pub their_setup: String,
    /// What differs in ours, and how rates are scaled.
    pub our_setup: String,
    /// Repetitions and times of a whole run, and of `--quick`.
    pub full: Effort,
    pub quick: Effort,
    pub peer: Vec<Peer>,
    pub vary: Option<Vary>,
    #[serde(default)]
    pub variant: Vec<Variant>,
    /// Where its rates fit themselves to the machine.
    pub scale: Option<Scale>,
    /// See [`super::Scene`]: read once its variables are known.
    pub scene: toml::Table,
    #[serde(default)]
    pub check: Vec<Check>,
    #[serde(default)]
    pub figure: Vec<Figure>,
    #[serde(default)]
    pub published: Vec<Published>,
    /// What all rates are multiplied by: [`Experiment::at_scale`].
    #[serde(skip, default = "whole")]
    pub(super) factor: f64,
}

fn whole() -> f64 {
    1.0
}

/// How much is done.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Effort {
    pub repetitions: u32,
    /// What `$seconds` stands for.
    pub seconds: f64,
    /// In place of those of `vary`.
    pub values: Option<Vec<f64>>,
    /// Only these peers and variants; all where left out.
    pub peers: Option<Vec<String>>,
    pub variants: Option<Vec<String>>,
}

/// What forwards.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Peer {
    /// In names of results.
    pub name: String,
    /// On the page; the name where left out.
    pub title: Option<String>,
    pub kind: PeerKind,
    /// weir: another binary of it, by its path.
    pub binary: Option<PathBuf>,
    /// weir: `spin` or `adaptive` (the default) or `sleep`.
    pub idle: Option<String>,
    /// weir: attach mode of every port.
    pub mode: Option<String>,
    /// weir: by which way frames go, `auto` or `scheduled`; has to be said.
    pub lane: Option<String>,
    /// weir: lines of `[container]`, `[scheduler]` and `[measure]`.
    #[serde(default)]
    pub container: String,
    #[serde(default)]
    pub scheduler: String,
    #[serde(default)]
    pub measure: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKind {
    Weir,
    /// A Linux bridge; the link's rate by one queue of a thousand frames.
    Bridge,
    /// A Linux bridge with HTB at the link: a class for each VM.
    Htb,
    /// Plain Linux: no VMs' router but the host's own (only with routers).
    Linux,
    /// XDP redirect between one VM and the uplink: the path that never leaves the kernel.
    Redirect,
    /// A loop between two AF_XDP sockets, without any policy: what a worker could be at best.
    Bare,
    /// Open vSwitch in user space, over AF_XDP.
    Ovs,
    /// DPDK's testpmd over AF_XDP.
    Testpmd,
    /// The VM's veth ends in the uplink host: nothing in between.
    Direct,
    /// The same, and what arrives is dropped at first sight: what the sender alone costs. It has no link
    /// and no receiver.
    Sender,
}

impl PeerKind {
    /// The program that has to be installed for it, which weir's set-up does not do, and the Debian packages
    /// that have it.
    #[must_use]
    pub const fn program(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Ovs => Some(("ovs-vswitchd", "openvswitch-switch")),
            Self::Testpmd => Some(("dpdk-testpmd", "dpdk-dev librte-net-af-xdp23")),
            _ => None,
        }
    }
}

/// The varied quantity: `$x`, the horizontal axis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Vary {
    pub name: String,
    #[serde(default)]
    pub unit: String,
    pub values: Vec<f64>,
}

/// A choice of further variables.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variant {
    pub name: String,
    pub title: Option<String>,
    /// By name, of letters, digits and underscores; values may use other variables.
    #[serde(default)]
    pub set: BTreeMap<String, toml::Value>,
    /// Only for these peers; all where left out.
    pub peers: Option<Vec<String>>,
}

/// Why a file cannot be used: where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct SpecError {
    pub path: PathBuf,
    pub what: String,
}

impl Experiment {
    #[must_use]
    pub fn effort(&self, quick: bool) -> &Effort {
        if quick { &self.quick } else { &self.full }
    }

    pub fn peer(&self, name: &str) -> Option<&Peer> {
        self.peer.iter().find(|peer| peer.name == name)
    }
}
