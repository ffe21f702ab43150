//! The door of a link with a rate, or of a source with one: who may send through it, the gates or a worker.
//!
//! While it is open, every gate takes a frame's bytes through it before it hands the frame over, at most so
//! far ahead of the rate. A gate whose frame would be too early, or has to be steered, closes it; from then
//! on a worker alone sends, and opens it when nothing waits any more.
//!
//! What the host and the bridge send out of a link's device is never held back, but charged: an open
//! door's time is moved on by it, and while the door is closed its bytes are added up for the worker.
//!
//! Invariant: one word, read and changed as a whole: until when what was sent takes the link or the source,
//! and whether the door is closed. So gates on all CPUs together never exceed the rate.

use crate::MAX_PORTS;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door(u64);

/// Where the doors of sources begin in the map `DOORS`; those of links stand before, by slot.
pub const SOURCE_DOORS: u32 = MAX_PORTS;
/// How far ahead of its rate a link may be while its door is open.
pub const DOOR_AHEAD_NS: u64 = 2_000_000;
/// How far ahead of its rate what passes by the gate may put a link. A host that sends more than the rate has
/// the link to itself while it does, and for no longer than that afterwards.
pub const CHARGE_AHEAD_NS: u64 = 100_000_000;
/// Words of a link in the map `DOORS`.
pub mod line {
    /// The [`Door`](super::Door).
    pub const DOOR: usize = 0;
    /// Bytes that passed by the gate while the door was closed, ever: its worker charges the link.
    pub const CHARGED: usize = 1;
}
/// A rate is told as what a byte takes, in units of 2^-20 ns.
pub const PER_BYTE_BITS: u32 = 20;
/// Headers of a segment: what each but the first of a superframe's adds to the link. Of IPv6 with a tag
/// and TCP's timestamps; others have less.
const SEGMENT_HEADERS: u32 = 90;

impl Door {
    const CLOSED: u64 = 1;
    /// Above that bit, sixteenths of a nanosecond.
    const SUB_NS_BITS: u32 = 4;

    pub const fn new(due_ns: u64, closed: bool) -> Self {
        Self(due_ns << (Self::SUB_NS_BITS + 1) | closed as u64)
    }

    #[inline(always)]
    pub const fn of_word(word: u64) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub const fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    /// Until when what was sent takes it.
    #[inline(always)]
    pub const fn due_ns(self) -> u64 {
        (self.0 >> 1).div_ceil(1 << Self::SUB_NS_BITS)
    }

    #[inline(always)]
    pub const fn closed(self) -> Self {
        Self(self.0 | Self::CLOSED)
    }

    /// What an open door is after so many bytes went through; `None`: they would be too early.
    #[inline(always)]
    pub const fn drawn(
        self,
        now_ns: u64,
        bytes: u32,
        per_byte: u64,
        ahead_ns: u64,
    ) -> Option<Self> {
        let due = self.due_after(now_ns, bytes, per_byte);
        if due > (now_ns + ahead_ns) << Self::SUB_NS_BITS { None } else { Some(Self(due << 1)) }
    }

    /// What an open door is after so many bytes passed by the gate.
    #[inline(always)]
    pub const fn charged(self, now_ns: u64, bytes: u32, per_byte: u64) -> Self {
        let most = (now_ns + CHARGE_AHEAD_NS) << Self::SUB_NS_BITS;
        let due = self.due_after(now_ns, bytes, per_byte);
        if due <= most {
            Self(due << 1)
        } else if self.0 >> 1 > most {
            self
        } else {
            Self(most << 1)
        }
    }

    #[inline(always)]
    const fn due_after(self, now_ns: u64, bytes: u32, per_byte: u64) -> u64 {
        let (due, now) = (self.0 >> 1, now_ns << Self::SUB_NS_BITS);
        let cost = ((bytes as u64 * per_byte) >> (PER_BYTE_BITS - Self::SUB_NS_BITS)) + 1;
        (if due > now { due } else { now }) + cost
    }
}

/// Bytes that a packet comes to on a link, once it is cut into segments of this size.
#[inline(always)]
pub const fn bytes_on_link(len: u32, gso_size: u16) -> u32 {
    if gso_size == 0 { len } else { len + len / gso_size as u32 * SEGMENT_HEADERS }
}
