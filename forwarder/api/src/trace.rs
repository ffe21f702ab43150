//! `GET /v1/trace`: lines of JSON, one for each followed packet, and one at the end. Invariant: times
//! of the steps count from the packet's arrival at the program.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TraceLine {
    Packet(Box<TracedPacket>),
    End(TraceEnd),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedPacket {
    pub version: u64,
    /// Counts from 1.
    pub number: u64,
    /// The ingress port.
    pub port: String,
    pub ingress_unix_ns: u64,
    pub length: u64,
    /// 0: untagged.
    pub vlan: u64,
    /// Payload bytes per segment of a superframe; 0 for other frames.
    pub segment: u64,
    /// `weir_abi::meta_flags`, by name.
    pub flags: Vec<String>,
    /// Its addresses, for people.
    pub summary: String,
    pub outcome: TraceOutcome,
    pub steps: Vec<TraceStep>,
}

weir_core::choices! {
    /// What became of a packet.
    TraceOutcome {
        /// All of it was delivered
        Delivered = "delivered",
        /// Some pieces were delivered, some were lost
        Partly = "partly",
        /// All of it was lost
        Lost = "lost",
        /// The program left it to the kernel
        Passed = "passed",
        /// Its end was not seen: it still waits, or the trace's buffer was full
        Unfinished = "unfinished",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    pub at_ns: u64,
    #[serde(flatten)]
    pub what: TraceEvent,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum TraceEvent {
    /// The program redirected it to the worker.
    Steered,
    /// The program handled it otherwise; named by the counter.
    Refused {
        outcome: String,
        means: String,
    },
    /// The worker took it out of the receive ring.
    Taken {
        core: u64,
        waited_ns: u64,
    },
    /// The program decided: the port that it leaves by.
    Decided {
        to: String,
    },
    /// Cut for a link with a rate.
    Cut {
        to: String,
        pieces: u64,
    },
    /// Its container was released: full, or its time was over.
    Released {
        to: String,
        container_ns: u64,
    },
    /// Handed to the port, when the scheduler released it.
    Sent {
        to: String,
        queue_ns: u64,
    },
    /// The kernel has taken it.
    Delivered {
        to: String,
        tx_ns: u64,
        residence_ns: u64,
    },
    Lost {
        reason: String,
        means: String,
    },
}

/// The last line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEnd {
    pub version: u64,
    pub packets: u64,
    /// Steps that found no room in the buffer.
    pub missed: u64,
}
