//! The settings of the sections that there is one of.

use std::{net::SocketAddr, path::PathBuf};

use weir_core::{ByteSize, FlowConfig, Idle, Policy, Release, Span};

use crate::setting::settings;

/// Where the control socket is unless the configuration or the command line says otherwise.
pub const DEFAULT_CONTROL: &str = "/run/weir.sock";

settings! {
    /// The process: its workers, and where it answers.
    #[derive(Eq)]
    pub ForwarderPlan in "forwarder" {
        workers: Vec<usize> {
            key: "workers", default: Vec::new(), effect: Restart,
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

pub(crate) const TIMEOUT_LEAST: Span = Span::new(1_000);
pub(crate) const TIMEOUT_MOST: Span = Span::new(1_000_000_000);

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
