//! The settings: those of the sections that there is one of, and those of a port.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
};

use weir_core::{
    ByteSize, Fallback, FlowConfig, ForeignRules, Idle, Lane, MAX_WORKERS, Mac, Mode, Policy,
    PortSettings, Rate, Release, Reserved, Role, Share, Span, addresses,
};

use crate::{Located, problem::Fault, setting::settings};

/// Where the control socket is unless the configuration or the command line says otherwise.
pub const DEFAULT_CONTROL: &str = "/run/weir.sock";
/// How many workers there may be: the most is the queues of the pair that frames are steered into.
pub(crate) const WORKERS: RangeInclusive<usize> = 1..=MAX_WORKERS;
const TIMEOUT_LEAST: Span = Span::new(1_000);
const TIMEOUT_MOST: Span = Span::new(1_000_000_000);
/// The default limit for a vif's group frames, and frames for unknown addresses: more than any protocol
/// needs, and too few for the others to notice.
const DEFAULT_STORM_PER_S: u32 = 10_000;
/// More than one core sends. The gate works with the time per frame, here a hundred nanoseconds.
const MAX_STORM_PER_S: u32 = 10_000_000;

settings! {
    /// The process: its workers, and where it answers.
    #[derive(Eq)]
    pub ForwarderPlan in "forwarder" {
        workers: Vec<usize> {
            key: "workers", default: Vec::new(), range: WORKERS, effect: Restart,
            help: "A pinned worker on each of these cores",
            unset: "one on the last core", example: "[1]",
        }
        idle: Idle {
            key: "idle", default: Idle::Adaptive, effect: Restart,
            help: "What the worker does when there is nothing to do: {names}",
        }
        frames: Option<u32> {
            key: "frames", default: None, range: 8192..=262_144, effect: Restart,
            help: "Frames of 4 KiB that each worker has for packets, all of them kept in memory: {range}",
            unset: "12288, and 256 for each port", example: "16384",
        }
        control: PathBuf {
            key: "control", default: DEFAULT_CONTROL.into(), effect: Restart,
            help: "The socket on which `weir port`, `weir set` and `weir stats` ask",
        }
        metrics: Option<SocketAddr> {
            key: "metrics", default: None, effect: Restart,
            help: "The loopback address on which Prometheus may ask",
            example: "\"127.0.0.1:9477\"",
        }
    }
}

settings! {
    /// Packets of one port for one destination travel together, in containers.
    pub ContainerPlan in "container" {
        bytes: ByteSize {
            key: "bytes",
            // One page.
            default: ByteSize::new(4096), range: ByteSize::new(64)..=ByteSize::new(1 << 20),
            effect: Restart,
            help: "What a container holds",
        }
        release: Release {
            key: "release", default: Release::Eager, effect: Live,
            help: "When containers are let go: eager (no waiting), fixed (full, or timeout), adaptive \
                   (full, or when its first packet would be late)",
        }
        timeout: Span {
            key: "timeout", default: Span::new(200_000), range: TIMEOUT_LEAST..=TIMEOUT_MOST,
            effect: Live,
            help: "The longest that a container is open, for fixed and adaptive",
        }
        alpha: f64 {
            key: "alpha", default: 0.99, effect: Live,
            help: "How much of the past counts in what `adaptive` estimates",
        }
        work_conserving: bool {
            key: "work-conserving", default: true, effect: Live,
            help: "Whether a container is let go while its link has nothing else to send",
        }
    }
}

settings! {
    /// How a link is shared between those who want it.
    #[derive(Eq)]
    pub SchedulerPlan in "scheduler" {
        policy: Policy {
            key: "policy", default: Policy::Drr, effect: Live,
            help: "How links are shared: drr (by bytes), wrr (by packets), fifo (not at all)",
        }
        inactive_after: Span {
            key: "inactive-after", default: Span::new(10_000_000),
            range: TIMEOUT_LEAST..=TIMEOUT_MOST, effect: Live,
            help: "How long a port that sends nothing still counts",
        }
    }
}

settings! {
    /// What is written down of every packet.
    #[derive(Copy, Eq)]
    pub MeasurePlan in "measure" {
        latency: bool {
            key: "latency", default: true, effect: Restart,
            help: "Whether to measure how long packets take, by source and stage",
        }
        flows: u32 {
            key: "flows", default: 4096, range: 0..=FlowConfig::MOST, effect: Restart,
            help: "Flows that each worker tells apart at once: {range}; 0: none",
        }
        flow_idle: Span {
            key: "flow-idle", default: Span::new(60_000_000_000),
            range: Span::new(1_000_000_000)..=Span::new(3_600_000_000_000), effect: Restart,
            help: "A flow without packets for this long has ended",
        }
    }
}

settings! {
    /// One port: what it is, and what it is promised.
    #[derive(Eq)]
    pub PortPlan in "port", checked by rates_fit {
        [
            /// It is not in the file, and is served only while it is a port of the bridge.
            of_bridge: bool = false,
            /// Where the file names the port; `None` if no file did.
            at: Option<Located> = None,
        ]
        name: String {
            key: "name", default: String::new(), effect: Restart,
            help: "The interface",
            example: "\"tap0\"",
        }
        role: Role {
            key: "role", default: Role::Vif, effect: Reattach,
            help: "What it is for: {names}; an uplink is the way out of the host, and its limits are wide by default",
        }
        mode: Mode {
            key: "mode", default: Mode::Gate, effect: Reload,
            help: "How the program is attached: {names} (see ARCHITECTURE.md)",
        }
        rate: Option<Rate> {
            key: "rate", default: None, effect: Live,
            help: "What may be sent towards the port",
            example: "\"1Gbit\"",
        }
        weight: u32 {
            key: "weight", default: 1, range: 1..=Share::MAX_WEIGHT, effect: Live,
            help: "Its part of every contended link, as a source: {range}",
            example: "4",
        }
        min_rate: Option<Rate> {
            key: "min-rate", default: None, effect: Live,
            help: "What it gets before any port gets more, on every link that has a rate",
            example: "\"100Mbit\"",
        }
        max_rate: Option<Rate> {
            key: "max-rate", default: None, effect: Live,
            help: "What it may send, over all links together",
            example: "\"500Mbit\"",
        }
        burst: ByteSize {
            key: "burst", default: ByteSize::new(Share::DEFAULT_BURST_BYTES),
            range: ByteSize::new(2 << 10)..=ByteSize::new(64 << 20), effect: Live,
            help: "How far above max-rate it may get after a pause",
        }
        queue: ByteSize {
            key: "queue", default: ByteSize::new(PortSettings::DEFAULT_QUEUE_BYTES),
            range: ByteSize::new(4 << 10)..=ByteSize::new(1 << 30), effect: Live,
            help: "What of it may wait for each link; beyond, it is shed",
        }
        release: Option<Release> {
            key: "release", default: None, effect: Live,
            help: "When its containers are let go: {names}",
            unset: "container.release", example: "\"adaptive\"",
        }
        timeout: Option<Span> {
            key: "timeout", default: None, range: TIMEOUT_LEAST..=TIMEOUT_MOST, effect: Live,
            help: "The longest that one is open",
            unset: "container.timeout", example: "\"100us\"",
        }
        work_conserving: Option<bool> {
            key: "work-conserving", default: None, effect: Live,
            help: "Whether one is let go while its link has nothing else to send",
            unset: "container.work-conserving", example: "true",
        }
        lane: Lane {
            key: "lane", default: Lane::Auto, effect: Live,
            help: "auto: frames that need no scheduling are handed to their port by the gate, in the \
                   kernel; scheduled: every frame goes by a worker, which measures each of them",
        }
        worker: Option<usize> {
            key: "worker", default: None, effect: Restart,
            help: "The core of the worker that serves it, one of [forwarder] workers",
            unset: "any", example: "1",
        }
        fallback: Fallback {
            key: "fallback", default: Fallback::Pass, effect: Reload,
            help: "What happens to a frame that no worker takes, also after a kill -9 until weir runs \
                   again: pass (to the kernel) or drop",
        }
        storm: Option<u32> {
            key: "storm", default: None, range: 0..=MAX_STORM_PER_S, effect: Live,
            help: "Group and unknown frames that it may send in a second; 0: any number",
            unset: "10000 for a vif, 0 for an uplink", example: "10000",
        }
        addresses: Option<u32> {
            key: "addresses", default: None, range: 1..=addresses::UPLINK_QUOTA, effect: Live,
            help: "Addresses behind it that the gate knows; frames to any more are the bridge's",
            unset: "4096 for a vif, 65536 for an uplink", example: "256",
        }
        reserved: Option<Reserved> {
            key: "reserved", default: None, effect: Live,
            help: "Its frames to 01:80:c2:00:00:0x (spanning trees, LLDP): {names}",
            unset: "drop for a vif, pass for an uplink", example: "\"drop\"",
        }
        foreign_rules: ForeignRules {
            key: "foreign-rules", default: ForeignRules::Bridge, effect: Live,
            help: "Where the host has rules that the gate does not know (weir port list): bridge (leave \
                   its frames to the bridge) or ignore",
        }
        mac_lock: Vec<Mac> {
            key: "mac-lock", default: Vec::new(), effect: Reattach,
            help: "The source addresses it may use",
            unset: "any", example: "[\"02:00:00:00:00:01\"]",
        }
        ip_lock: Vec<IpAddr> {
            key: "ip-lock", default: Vec::new(), effect: Reattach,
            help: "The source addresses it may use",
            unset: "any", example: "[\"192.0.2.10\", \"2001:db8::10\"]",
        }
    }
}

fn rates_fit(port: &PortPlan) -> Option<(&'static str, Fault)> {
    let (low, high) = (port.min_rate?, port.max_rate?);
    (low > high).then(|| {
        let wrong = format!("{low} is above max-rate, {high}");
        ("min-rate", Fault { span: None, wrong, valid: format!("valid: at most {high}") })
    })
}

impl PortPlan {
    /// Another port with the same settings.
    pub fn port(&self, name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, ..self.clone() }
    }

    /// Group and unknown frames in a second; 0: any number. Frames from outside may be for any port.
    pub fn storm_per_s(&self) -> u32 {
        self.storm.unwrap_or(match self.role {
            Role::Uplink => 0,
            Role::Vif => DEFAULT_STORM_PER_S,
        })
    }

    /// The most addresses that the gate's table may have for it.
    pub fn address_quota(&self) -> u32 {
        self.addresses.unwrap_or(match self.role {
            Role::Uplink => addresses::UPLINK_QUOTA,
            Role::Vif => addresses::VIF_QUOTA,
        })
    }

    pub fn passes_reserved(&self) -> bool {
        match self.reserved {
            Some(reserved) => reserved == Reserved::Pass,
            None => self.role == Role::Uplink,
        }
    }
}
