//! The settings of a port.

use std::net::IpAddr;

use weir_core::{
    ByteSize, Fallback, ForeignRules, Lane, Mac, Mode, PortSettings, Rate, Release, Reserved, Role,
    Share, Span, addresses,
};

use crate::{
    Located,
    problem::Fault,
    sections::{TIMEOUT_LEAST, TIMEOUT_MOST},
    setting::settings,
};

/// The default limit for a vif's group frames, and frames for unknown addresses: more than any protocol
/// needs, and too few for the others to notice.
const DEFAULT_STORM_PER_S: u32 = 10_000;
/// More than one core sends. The gate works with the time per frame, here a hundred nanoseconds.
const MAX_STORM_PER_S: u32 = 10_000_000;

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
