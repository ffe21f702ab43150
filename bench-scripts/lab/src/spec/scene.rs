//! The contents of one cell: its VMs, their traffic, and changes over time.
//!
//! In the file these tables are below `[scene]`, and any text in them may use [`super::variables`].

use std::fmt::{Display, Formatter};

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
    /// Whether guests and the uplink host leave segmentation and checksums to their devices.
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
    /// In the driver, or behind it if a receiver needs the frames: cheap, but forwarders take a longer way
    /// past it, and superframes are copied.
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
    /// Each VM forwards between the left and the right host, which are both at uplinks.
    Routers,
}

/// A VM's promises.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Vm {
    /// Counts from 1.
    pub number: u8,
    #[serde(default = "one")]
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
    #[serde(default = "one")]
    pub flows: u32,
    /// Sockets or TCP connections, each as greedy as the others.
    #[serde(default = "one")]
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
    /// Stamped datagrams at a rate, timed by the program that counts them, and so without a receiver's
    /// wake-up. Their sender spins, or sleeps if it is urgent. The last 65,536 of a window count.
    Timed,
    /// Bulk TCP by iperf3.
    Tcp,
    /// Request and response over one TCP connection, one at a time, of `size` bytes each way.
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

/// A sender or receiver. With routers the uplink host is the left one, and `via1` stands for the right
/// host by router 1, as a destination only. `every` and `via-every` are a flow each; `via-others` leaves out
/// router 1. The host has loads only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Seat {
    Vm(u8),
    Every,
    Uplink,
    Right,
    Via(u8),
    ViaEvery,
    ViaOthers,
    Host,
}

const NAMES: [(&str, Seat); 6] = [
    ("every", Seat::Every),
    ("uplink", Seat::Uplink),
    ("right", Seat::Right),
    ("via-every", Seat::ViaEvery),
    ("via-others", Seat::ViaOthers),
    ("host", Seat::Host),
];

impl TryFrom<String> for Seat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, seat)| *seat);
        let vm = || text.strip_prefix("vm").and_then(number).map(Self::Vm);
        let via = || text.strip_prefix("via").and_then(number).map(Self::Via);
        named.or_else(vm).or_else(via).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name).join(", ");
            format!("\"{text}\" is no seat: write one of vm1 …, via1 …, {names}")
        })
    }
}

impl Display for Seat {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vm(number) => write!(f, "vm{number}"),
            Self::Via(number) => write!(f, "via{number}"),
            other => {
                let name = NAMES.iter().find(|(_, seat)| seat == other);
                f.write_str(name.map_or("", |(name, _)| name))
            }
        }
    }
}

impl Seat {
    /// Whether it is the right host by a router.
    pub(crate) fn is_way(self) -> bool {
        matches!(self, Self::Via(_) | Self::ViaEvery | Self::ViaOthers)
    }

    /// Whether it is one place at most.
    pub(crate) fn is_single(self) -> bool {
        !matches!(self, Self::Every | Self::ViaEvery | Self::ViaOthers)
    }
}

/// `01` and `+1` are not names of VM 1.
fn number(digits: &str) -> Option<u8> {
    digits.parse().ok().filter(|_| !digits.starts_with(['0', '+']))
}

fn yes() -> bool {
    true
}

fn mtu() -> u32 {
    1500
}

pub(super) fn one<T: From<u8>>() -> T {
    T::from(1)
}

#[cfg(test)]
mod tests;
