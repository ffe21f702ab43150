//! A file as a whole: its peers, its efforts, its variables, its figures. Invariant: see the module above.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use weir_core::{Idle, Lane, Mode};

use super::{Check, Pick, Scale};

/// An experiment of a paper.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Experiment {
    /// `A-E1` and the like; also the file's name, and the anchor on the page.
    pub id: String,
    pub title: String,
    /// The paper's letter.
    pub paper: String,
    /// The paper's claim, in one sentence.
    pub claim: String,
    /// The paper's set-up; empty for W, which is not a paper.
    #[serde(default)]
    pub their_setup: String,
    /// The differences of our set-up, and the scaling of rates.
    pub our_setup: String,
    /// Repetitions and times of a whole run, and of `--quick`.
    pub full: Effort,
    pub quick: Effort,
    pub peer: Vec<Peer>,
    pub vary: Option<Vary>,
    #[serde(default)]
    pub variant: Vec<Variant>,
    /// Present if its rates fit themselves to the machine.
    pub scale: Option<Scale>,
    /// See [`super::Scene`]: read once its variables are known.
    pub scene: toml::Table,
    #[serde(default)]
    pub check: Vec<Check>,
    #[serde(default)]
    pub figure: Vec<Figure>,
    #[serde(default)]
    pub published: Vec<Published>,
    /// The whole file.
    #[serde(skip)]
    pub text: String,
    /// The factor of all rates: [`Experiment::at_scale`].
    #[serde(skip, default = "super::scene::one")]
    pub(super) factor: f64,
}

/// The amount of work of a run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Effort {
    pub repetitions: u32,
    /// The value of `$seconds`.
    pub seconds: f64,
    /// Replaces the values of `vary`.
    pub values: Option<Vec<f64>>,
    /// Only these peers and variants; all by default.
    pub peers: Option<Vec<String>>,
    pub variants: Option<Vec<String>>,
}

/// A forwarder under test.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Peer {
    /// The name in results.
    pub name: String,
    /// The name on the page; `name` by default.
    pub title: Option<String>,
    pub kind: PeerKind,
    /// weir: another binary of it, by its path.
    pub binary: Option<PathBuf>,
    /// weir: `spin` or `adaptive` (the default) or `sleep`.
    pub idle: Option<Idle>,
    /// weir: attach mode of every port.
    pub mode: Option<Mode>,
    /// weir: the lane of frames, `auto` or `scheduled`; required.
    pub lane: Option<Lane>,
    /// weir: further tables of its configuration, such as `config.container`.
    #[serde(default)]
    pub config: toml::Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKind {
    Weir,
    /// A Linux bridge; the link's rate by one queue of a thousand frames.
    Bridge,
    /// A Linux bridge with HTB at the link: a class for each VM.
    Htb,
    /// Plain Linux: the host's own router instead of VMs (only with routers).
    Linux,
    /// XDP redirect between one VM and the uplink: the path that never leaves the kernel.
    Redirect,
    /// A loop between two AF_XDP sockets, without any policy: the best that a worker could be.
    Bare,
    /// Open vSwitch in user space, over AF_XDP.
    Ovs,
    /// DPDK's testpmd over AF_XDP.
    Testpmd,
    /// The VM's veth ends in the uplink host: nothing in between.
    Direct,
    /// The same without link and receiver, and arrivals are dropped at once: the sender's own cost.
    Sender,
}

impl Peer {
    /// The name on the page.
    pub fn shown(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

impl PeerKind {
    /// The program that it needs beyond weir's set-up, and the Debian packages with it.
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
    /// Only for these peers; all by default.
    pub peers: Option<Vec<String>>,
}

impl Variant {
    /// The name on the page.
    pub fn shown(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

impl Experiment {
    pub fn effort(&self, quick: bool) -> &Effort {
        if quick { &self.quick } else { &self.full }
    }

    /// The unit of the varied quantity.
    pub fn unit(&self) -> &str {
        self.vary.as_ref().map_or("", |vary| &vary.unit)
    }

    pub fn peer(&self, name: &str) -> Option<&Peer> {
        self.peer.iter().find(|peer| peer.name == name)
    }
}

/// A figure names quantities; the report decides its appearance.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Figure {
    pub title: String,
    #[serde(default)]
    pub draw: Draw,
    /// The horizontal axis; by default that of `vary`.
    pub x: Option<Axis>,
    pub y: Axis,
    pub line: Vec<Line>,
    /// `figure`s of [`Published`] to draw in the same plot.
    #[serde(default)]
    pub published: Vec<String>,
    /// Left out with `--quick`, whose windows are too short to show it.
    #[serde(default)]
    pub full_only: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// Values over the varied quantity, with confidence intervals.
    #[default]
    Lines,
    /// A group of bars for each value of the varied quantity; without one, a bar for each line.
    Bars,
    /// A series over time, of the first repetition.
    Time,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axis {
    pub name: String,
    #[serde(default)]
    pub unit: String,
    #[serde(default)]
    pub log: bool,
    /// The beginning of the axis, by default 0; ignored with `log`.
    pub from: Option<f64>,
}

/// A line or a bar for each peer (and variant) that it names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Line {
    /// With `draw = "time"`, the name of a series: `vm1.mbit`.
    pub quantity: String,
    /// Its name; peer and variant are added if there are several.
    pub name: String,
    pub peers: Vec<String>,
    /// All by default.
    pub variants: Option<Vec<String>>,
    /// A divisor of the quantity, of the same repetition.
    pub over: Option<Over>,
}

impl Line {
    /// Its divisor under one of its peers.
    pub(crate) fn divisor(&self, peer: &str) -> Option<Pick> {
        let Over { quantity, peer: other, variant, x } = self.over.clone()?;
        let quantity = quantity.unwrap_or_else(|| self.quantity.clone());
        Some(Pick { quantity, peer: other.unwrap_or_else(|| peer.to_owned()), variant, x })
    }
}

/// A divisor: parts that are left out are those of the quantity.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Over {
    pub quantity: Option<String>,
    pub peer: Option<String>,
    pub variant: Option<String>,
    pub x: Option<f64>,
}

/// Numbers of the paper.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Published {
    /// "Figure 3", "Table 2"; unique in the file.
    pub figure: String,
    pub what: String,
    /// A description of a curve whose numbers were not printed.
    #[serde(default)]
    pub shape: String,
    pub x: Option<Axis>,
    pub y: Option<Axis>,
    /// Names of x = 0, 1, 2 … if it is not a number.
    pub labels: Option<Vec<String>>,
    #[serde(default)]
    pub line: Vec<PublishedLine>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PublishedLine {
    pub name: String,
    /// `[x, y]`, or `[x, y, low, high]`.
    pub points: Vec<Vec<f64>>,
}
