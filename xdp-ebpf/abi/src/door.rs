//! The door of a link with a rate, or of a source with one: who may send through it, the gates or a worker.
//!
//! While it is open, every gate takes a frame's bytes through it before it hands the frame over, at most so
//! far ahead of the rate. A gate whose frame would be too early, or has to be steered, closes it; from then
//! on a worker alone sends, and opens it when nothing waits any more.
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
        let (due, now) = (self.0 >> 1, now_ns << Self::SUB_NS_BITS);
        let cost = ((bytes as u64 * per_byte) >> (PER_BYTE_BITS - Self::SUB_NS_BITS)) + 1;
        let from = if due > now { due } else { now };
        let due = from + cost;
        let most = now + (ahead_ns << Self::SUB_NS_BITS);
        if due > most { None } else { Some(Self(due << 1)) }
    }
}

/// Bytes that a packet comes to on a link, once it is cut into segments of this size.
#[inline(always)]
pub const fn bytes_on_link(len: u32, gso_size: u16) -> u32 {
    if gso_size == 0 { len } else { len + len / gso_size as u32 * SEGMENT_HEADERS }
}
