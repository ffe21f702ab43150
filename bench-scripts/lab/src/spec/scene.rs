//! The contents of one cell: its VMs, their traffic, and changes over time.
//!
//! In the file these tables are below `[scene]`. Any string in them may be a variable: `"$size"`
//! becomes the variable's value whatever its type, and `"${rate}Mbit"` is replaced within the text.
//! Variables are `$x` (the varied quantity), those of the variant, and `$seconds` (of the effort).
//! Numbers may be sums and products of variables, `"$seconds * 0.5 + 1"`: a text with a variable that
//! results in numbers, `+ - * /` and parentheses is a number, a whole one if possible.

use serde::Deserialize;
use system_tests::bed::Family;

use super::Seat;

/// Everything of one cell, all variables filled in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scene {
    #[serde(default)]
    pub topology: Topology,
    /// VMs or virtual routers.
    pub vms: u8,
    /// The rate of the link to the uplink host in Mb/s; `None`: unlimited.
    pub link: Option<f64>,
    /// Interface MTU everywhere.
    #[serde(default = "mtu")]
    pub mtu: u32,
    /// Where arriving frames are counted.
    #[serde(default)]
    pub count: CountAt,
    /// Nanoseconds that a receiver's kernel spends on each frame, on the core that brings it, as the
    /// rules of a firewall would; 20,000 at most.
    #[serde(default)]
    pub receiver_ns: u32,
    /// Whether guests and the uplink host leave segmentation and checksums to their devices, as they do
    /// by default.
    #[serde(default = "yes")]
    pub offloads: bool,
    /// Promises of single VMs; the others have weight 1.
    #[serde(default)]
    pub vm: Vec<Vm>,
    #[serde(default)]
    pub traffic: Vec<Traffic>,
    /// Load other than traffic.
    #[serde(default)]
    pub load: Vec<Load>,
    #[serde(default)]
    pub step: Vec<Step>,
    /// The times of measurement; at least one.
    pub window: Vec<Window>,
    /// Seconds between the points of the series, and the "second" of `least`.
    #[serde(default = "one")]
    pub slice: f64,
}

/// The counter's hook at a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountAt {
    /// In the driver if no receiver needs the frames, else behind it: the cheapest hook, but it makes a
    /// forwarder take the longer way past it, and has superframes copied.
    #[default]
    Xdp,
    /// At tcx ingress, through which all ways into a guest lead, and superframes pass whole.
    Tcx,
}

/// The connections between VMs and hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// VMs and an uplink host on one switch.
    #[default]
    Vms,
    /// Virtual routers: each forwards between its two vifs, from the left host's network to the right
    /// host's; both hosts are at uplinks.
    Routers,
}

/// A VM's promises.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Vm {
    /// Counts from 1.
    pub number: u8,
    #[serde(default = "weight")]
    pub weight: u32,
    /// In Mb/s.
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// Traffic of a scene.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Traffic {
    /// The name of its quantities; by default the sender's.
    pub name: Option<String>,
    pub kind: Kind,
    pub from: Seat,
    pub to: Seat,
    #[serde(default)]
    pub family: Family,
    /// Seconds from the beginning; it ends with the last window by default.
    #[serde(default)]
    pub start: f64,
    pub stop: Option<f64>,
    /// UDP payload or TCP record in bytes; for a flood, see `frame`, too.
    pub size: Option<u32>,
    /// Length of the whole frame with the Ethernet header, instead of `size`.
    pub frame: Option<u32>,
    /// Packets a second of each connection; `None`: as fast as possible.
    pub pps: Option<f64>,
    /// Mb/s of frames of each connection, instead of `pps`.
    pub mbit: Option<f64>,
    /// Probe: datagrams due in this many seconds are sent together, followed by a pause; 0: evenly.
    #[serde(default)]
    pub burst: f64,
    /// Live frames: the number of flows; each frame of a connection belongs to the next.
    #[serde(default = "weight")]
    pub flows: u32,
    /// Sockets or TCP connections, each as greedy as the others.
    #[serde(default = "weight")]
    pub connections: u32,
    #[serde(default)]
    pub probing: Probing,
    /// Its sender has a real-time priority: a VM does not wait for its neighbours' programs.
    #[serde(default)]
    pub urgent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// UDP datagrams, counted at the far end's interface.
    Flood,
    /// The same past the senders' stacks: XDP live frames.
    Live,
    /// `weir probe`: numbered, timed datagrams, open loop.
    Probe,
    /// Stamped datagrams at a rate by a sender that spins (or sleeps, if it is urgent). The program
    /// that counts them measures the time until they arrive, without a receiver's wake-up. The last
    /// 65,536 of a window count.
    Timed,
    /// Bulk TCP by iperf3.
    Tcp,
    /// Request and response over one TCP connection, each sent when the last is answered; `size` bytes
    /// each way.
    Ask,
    /// Records of `size` bytes over one TCP connection, each acknowledged by one byte.
    Records,
}

/// The measurement of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probing {
    #[default]
    OneWay,
    /// With a reflector.
    RoundTrip,
}

/// Work other than traffic, done by a VM.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    pub what: What,
    /// `"vm2"`, or `"host"`.
    pub at: Seat,
    pub start: f64,
    pub stop: f64,
    /// The core it is pinned to; any by default.
    pub core: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A CPU burner (stress-ng).
    Burn,
    /// Random reads and writes with sync (fio).
    Disk,
}

impl What {
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Burn => "stress-ng",
            Self::Disk => "fio",
        }
    }
}

/// A change during the scene.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    pub at: f64,
    /// New weights of the VMs from the first on.
    pub weights: Vec<u32>,
}

/// A period in which rates, delays and CPU are measured.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Window {
    pub name: String,
    pub from: f64,
    pub to: f64,
}

fn yes() -> bool {
    true
}

fn mtu() -> u32 {
    1500
}

fn weight() -> u32 {
    1
}

pub(super) fn one() -> f64 {
    1.0
}
