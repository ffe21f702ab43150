//! The flow table: which stations talk to each other, how much, with what delay and with what losses.
//!
//! - [`key`]: what a flow is
//! - [`counts`]: what is counted for each flow
//! - `table`: the calls; `row`: one flow; `index`: from a packet to its row; `bins`: histograms; `sources`:
//!   sums by source
//!
//! Everything is allocated when the table is made and when a port is added. A packet costs a look at one
//! bucket of the index and at one row, however many flows there are.
//!
//! When no row is free, a new flow examines a few rows, starting where the previous search stopped, and takes
//!
//! 1. a row whose flow has ended: one without packets for the idle time, or for two seconds if it had only
//!    one or two. The flows of a SYN flood or of a scan are such flows, and the shorter time keeps them from
//!    holding rows for a minute each;
//! 2. a row of a source that has more than an equal share of the rows, if its own source has less. So the
//!    flows of one vif, however many, do not hide those of the others;
//! 3. one time in 64, a row whose flow had only one or two packets, of its own source or of one that has
//!    more than its share. In a flood of a million flows through one port, each row that ends goes to the
//!    flood, because it makes the most attempts. A flow that goes on sending gets a row by chance before
//!    long, soon has three packets, and then keeps its row as long as it sends.
//!
//! Otherwise its packets are counted in its source's `other` sum. A flow that ends is added to its source's
//! `ended` sum, and so are packets that were still on their way when it ended.
//!
//! Invariant: what was recorded for a source since the table was made, or since `forget`, is exactly the sum
//! of its rows and its two sums. The same holds for histograms. A bin of a row counts at most 2^32 - 1
//! packets; then the row's histogram is moved to the `ended` histogram and starts again at zero.

mod bins;
mod counts;
mod index;
mod key;
mod row;
mod sources;
mod table;

pub use counts::FlowCounts;
pub use key::{FlowKey, PackedKey};
pub use table::FlowTable;

use hdrhistogram::Histogram;

use crate::PortId;

/// The size and the times of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowConfig {
    /// The most flows at once, at most [`FlowConfig::MOST`]; 0: no flows are kept.
    pub capacity: u32,
    /// A flow without packets for this long has ended, and gives up its row when that is noticed.
    pub idle_ns: u64,
    /// The secret of the hash; the caller draws it at random.
    pub seed: u64,
}

impl FlowConfig {
    pub const MOST: u32 = 65_536;
}

/// One row, copied out.
#[derive(Clone, Debug)]
pub struct FlowRow {
    /// Where [`FlowTable::copy_rows`] finds it again.
    pub place: u32,
    pub key: FlowKey,
    pub counts: FlowCounts,
    /// The residence times of its delivered packets, if they were asked for.
    pub latency: Option<Histogram<u32>>,
}

/// The sums of a source's flows that have no row.
#[derive(Clone, Debug)]
pub struct FlowSum {
    pub ingress: PortId,
    /// Packets of flows that found no room in the table.
    pub other: (FlowCounts, Histogram<u64>),
    /// Packets of flows that had a row and ended; there are `ended_flows` of them.
    pub ended: (FlowCounts, Histogram<u64>),
    pub ended_flows: u64,
    /// Flows that have a row.
    pub known: u32,
}

/// Names a row and one of the flows that used it in turn: the row's place is in the low half, and the
/// generation of the flow above it. 0 names no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FlowRef(pub u32);
