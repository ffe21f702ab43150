//! Times as histograms of three digits, and their jitter. Invariant: a time longer than [`LONGEST_NS`]
//! is counted there, so that counts are exact.

use std::fmt;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use weir_core::latency::Summary;

/// 69 s.
pub const LONGEST_NS: u64 = 1 << 36;
const DIGITS: u8 = 3;

/// Times of one kind; its JSON is their summary.
#[derive(Clone)]
pub struct Spread {
    pub histogram: Histogram<u64>,
}

impl Default for Spread {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the bounds are constants that a test holds")]
        let histogram =
            Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("the bounds are valid");
        Self { histogram }
    }
}

impl Spread {
    pub fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns.min(LONGEST_NS));
    }

    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    pub fn summary(&self) -> Summary {
        Summary::of(&self.histogram)
    }
}

impl fmt::Debug for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary().fmt(f)
    }
}

impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summary().serialize(serializer)
    }
}

/// RFC 3550's interarrival jitter (section 6.4.1, appendix A.8): differences of transit times,
/// so that the two clocks need not agree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jitter {
    transit_ns: Option<i64>,
    sixteenths: u64,
}

impl Jitter {
    pub fn take(&mut self, sent_ns: u64, received_ns: u64) {
        let transit = received_ns.wrapping_sub(sent_ns) as i64;
        if let Some(before) = self.transit_ns.replace(transit) {
            let difference = transit.wrapping_sub(before).unsigned_abs().min(LONGEST_NS);
            self.sixteenths = self.sixteenths + difference - ((self.sixteenths + 8) >> 4);
        }
    }

    pub fn ns(&self) -> u64 {
        self.sixteenths >> 4
    }
}

#[cfg(test)]
mod tests;
