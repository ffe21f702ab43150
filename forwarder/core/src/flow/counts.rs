//! What is counted for a flow. Invariant: counts only grow, and adding two rows adds every count.

use crate::Losses;

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
    pub(super) fn saw(&mut self, now_ns: u64) {
        if now_ns != 0 && (self.first_ns == 0 || now_ns < self.first_ns) {
            self.first_ns = now_ns;
        }
        self.last_ns = self.last_ns.max(now_ns);
    }
}
