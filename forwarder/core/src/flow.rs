//! The flow table: who talks to whom, how much, how late, and what was lost of it.
//!
//! - [`key`]: what a flow is
//! - [`counts`]: what is counted of one
//! - `table`: the calls; `row`: one flow; `index`: from a packet to its row; `bins`: histograms;
//!   `sources`: sums by source
//!
//! Everything is allocated when the table is made and when a port is added; a packet costs a look
//! at one bucket of the index and at one row, however many flows there are.
//!
//! When no row is free, a new flow looks at a few rows, going on each time where the one before it
//! stopped, and takes
//!
//! 1. one whose flow is over: without packets for the idle time, or for two seconds if it had only
//!    one or two. That is what the flows of a SYN flood or of a scan are, and what keeps them from
//!    holding rows for a minute each;
//! 2. if its source has less than an equal share of the rows: one of a source that has more. So
//!    the flows of one vif, however many, do not hide those of the others;
//! 3. one time in 64: one that had only one or two packets, of its own source or of one that has
//!    more than its share. In a flood of a million flows through one port, each row that is over
//!    goes to the flood, which is first by its number; a flow that goes on sending is lucky before
//!    long, has had three packets soon after, and then keeps its row as long as it sends.
//!
//! Otherwise its packets are counted in its source's `other` sum. A flow that ends is added to its
//! source's `ended` sum, and so are packets that were on their way when it ended.
//!
//! Invariant: what was recorded of a source since the table was made, or forgot, is exactly what is
//! in its rows and its two sums. (Of histograms likewise, but a bin of a row holds no more than
//! 2^32 - 1 packets: then the row's go to the `ended` histogram, and it starts afresh.)

mod bins;
mod counts;
mod index;
mod key;
mod row;
mod sources;
mod table;

pub use counts::{FlowCounts, FlowLatency};
pub use key::{FlowKey, PackedKey};
pub use table::FlowTable;

use crate::PortId;

/// How the table is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowConfig {
    /// Flows at once, at most [`FlowConfig::MOST`]; 0: none are kept.
    pub capacity: u32,
    /// A flow without packets for so long has ended, and gives up its row when that is noticed.
    pub idle_ns: u64,
    /// Drawn at random by the caller.
    pub seed: u64,
}

impl FlowConfig {
    pub const MOST: u32 = 65_536;
}

/// One row, copied out.
#[derive(Clone, Debug)]
pub struct FlowRow {
    pub key: FlowKey,
    pub counts: FlowCounts,
    /// Where it was asked for.
    pub latency: Option<FlowLatency>,
}

/// What flows of one source that have no row come to.
#[derive(Clone, Debug)]
pub struct FlowSum {
    pub ingress: PortId,
    /// Found no room in the table.
    pub other: (FlowCounts, hdrhistogram::Histogram<u64>),
    /// Had a row, and ended; `ended_flows` of them.
    pub ended: (FlowCounts, hdrhistogram::Histogram<u64>),
    pub ended_flows: u64,
    /// Flows that have a row.
    pub known: u32,
}

/// Names a row, or that there is none: the place below, and above it which of the flows is meant
/// that had the row one after the other. 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FlowRef(pub u32);
