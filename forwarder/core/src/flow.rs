//! The flow table: which stations talk to each other, how much, with what delay and with what losses.
//!
//! - [`key`]: what a flow is
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
mod index;
mod key;
mod row;
mod sources;
mod table;

pub use key::{FlowKey, PackedKey};
pub use table::FlowTable;

use hdrhistogram::Histogram;

use crate::{Losses, PortId};

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

/// What is counted for a flow. Counts only grow, and adding two rows adds every count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Packets received; a superframe counts as one.
    pub frames: u64,
    pub bytes: u64,
    /// Frames sent; a superframe that was cut counts once for every piece.
    pub delivered: u64,
    pub delivered_bytes: u64,
    pub first_ns: u64,
    pub last_ns: u64,
    /// All flags that were seen, as they are in the TCP header.
    pub tcp_flags: u8,
    /// RFC 3550 jitter of the residence time.
    pub jitter_ns: u64,
    pub losses: Losses,
}

impl FlowCounts {
    /// Adds what was counted elsewhere for the same flow, or for another one. Jitters do not add up: the
    /// jitter of the side that delivered more is kept.
    pub fn merge(&mut self, other: &Self) {
        if other.delivered > self.delivered {
            self.jitter_ns = other.jitter_ns;
        }
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.delivered += other.delivered;
        self.delivered_bytes += other.delivered_bytes;
        self.saw(other.first_ns);
        self.saw(other.last_ns);
        self.tcp_flags |= other.tcp_flags;
        self.losses += other.losses;
    }

    /// Records a time; 0 means unknown and is ignored.
    #[inline]
    fn saw(&mut self, now_ns: u64) {
        if now_ns != 0 && (self.first_ns == 0 || now_ns < self.first_ns) {
            self.first_ns = now_ns;
        }
        self.last_ns = self.last_ns.max(now_ns);
    }
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
