//! What happens in one cell: its VMs, their traffic, and changes over time.
//!
//! In the file these tables stand below `[scene]`. Any string in them may be a variable: `"$size"`
//! becomes the variable's value whatever its type, `"${rate}Mbit"` is put into the text. Variables
//! are `$x` (the varied quantity), those of the variant, and `$seconds` (of the effort).
//! Numbers may be sums and products of variables, `"$seconds * 0.5 + 1"`: a text with a variable in
//! it that comes to numbers, `+ - * /` and parentheses is a number, a whole one where it can be.

use serde::Deserialize;
use system_tests::bed::Family;

/// Everything of one cell, all variables filled in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scene {
    #[serde(default)]
    pub topology: Topology,
    /// VMs or virtual routers.
    pub vms: u8,
    /// The rate of the link to the uplink host in Mb/s; none: as fast as it goes.
    pub link: Option<f64>,
    /// Interface MTU everywhere.
    #[serde(default = "mtu")]
    pub mtu: u32,
    /// Where arriving frames are counted.
    #[serde(default)]
    pub count: CountAt,
    /// Whether guests and the uplink host leave segmentation and checksums to their devices, as they do
    /// by default.
    #[serde(default = "yes")]
    pub offloads: bool,
    /// What single VMs are promised; the others have weight 1.
    #[serde(default)]
    pub vm: Vec<Vm>,
    #[serde(default)]
    pub traffic: Vec<Traffic>,
    /// Load that is not traffic.
    #[serde(default)]
    pub load: Vec<Load>,
    #[serde(default)]
    pub step: Vec<Step>,
    /// What is measured when; one at least.
    pub window: Vec<Window>,
    /// Seconds between the points of the series, and the "second" of `least`.
    #[serde(default = "one")]
    pub slice: f64,
}

/// Where at a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountAt {
    /// In the driver where no receiver needs the frames, else behind it: as cheap as can be, but it has a
    /// forwarder go the longer way past it, and superframes copied.
    #[default]
    Xdp,
    /// At tcx ingress, by which all ways into a guest lead, and superframes go as they are.
    Tcx,
}

/// How VMs and hosts are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// VMs and an uplink host on one switch.
    #[default]
    Vms,
    /// Virtual routers: each forwards between its two vifs, from the left host's network to the
    /// right host's; both hosts hang on uplinks.
    Routers,
}

/// What a VM is promised.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Vm {
    /// From 1.
    pub number: u8,
    #[serde(default = "weight")]
    pub weight: u32,
    /// Mb/s.
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// A sender or receiver: `"vm1"`, `"vm2"`, …, `"uplink"` (with routers the left host), `"right"` (the right host),
/// `"every"` (each VM, a flow of its own each), or `"via1"`, … (the right host by router 1; only as
/// a destination), `"via-every"` and `"via-others"` (by each but router 1; none where that is the
/// only one).
pub type Seat = String;

/// Something that is sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Traffic {
    /// In the names of what is measured of it; the sender's where it is left out.
    pub name: Option<String>,
    pub kind: Kind,
    pub from: Seat,
    pub to: Seat,
    #[serde(default)]
    pub family: Family,
    /// Seconds from the beginning; to the end of the last window where it is left out.
    #[serde(default)]
    pub start: f64,
    pub stop: Option<f64>,
    /// UDP payload or TCP record in bytes; flood: see `frame`, too.
    pub size: Option<u32>,
    /// Length of the whole frame with the Ethernet header, in place of `size`.
    pub frame: Option<u32>,
    /// Packets a second of each connection; none: as fast as it goes.
    pub pps: Option<f64>,
    /// Mb/s of frames of each connection, in place of `pps`.
    pub mbit: Option<f64>,
    /// Probe: what is due in this many seconds goes out together, then there is a pause; 0: evenly.
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
    /// Stamped datagrams at a rate by a sender that spins (or sleeps, if it is urgent), timed by the program that counts them: up to
    /// where they arrive, without the time that a receiver takes to wake up. The last 65,536 of a window count.
    Timed,
    /// Bulk TCP by iperf3.
    Tcp,
    /// Request and response over one TCP connection, each asked when the last is answered;
    /// `size` bytes each way.
    Ask,
    /// Records of `size` bytes over one TCP connection, each acknowledged by one byte.
    Records,
}

/// What a probe finds out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probing {
    #[default]
    OneWay,
    /// With a reflector.
    RoundTrip,
}

/// Work that is no traffic, done by a VM.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    pub what: What,
    /// `"vm2"`, or `"host"`.
    pub at: Seat,
    pub start: f64,
    pub stop: f64,
    /// The core it is pinned to; any where left out.
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

/// A change while everything goes on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    pub at: f64,
    /// New weights of the VMs from the first on.
    pub weights: Vec<u32>,
}

/// A time in which rates, delays and CPU are measured.
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

fn one() -> f64 {
    1.0
}
