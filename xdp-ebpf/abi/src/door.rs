//! The door of a link or of a source with a rate: it says whether gates may send, or a worker alone.
//!
//! While a door is open, every gate takes a frame's bytes through it before it hands the frame over, up to a
//! limit ahead of the rate. A gate closes the door if its frame would be too early or has to be steered. From
//! then on a worker alone sends, and opens the door when nothing waits any more.
//!
//! Frames that the host and the bridge send out of a link's device are never held back, but charged: they
//! move an open door's time on, and while the door is closed their bytes are added up for the worker.
//!
//! Invariant: a door is one word, read and changed as a whole. It holds the time until which the link or the
//! source is taken, and whether the door is closed. So gates on all CPUs together never exceed the rate.

use crate::MAX_PORTS;

/// A door, as its word in the map `DOORS`; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door(u64);

/// The index of the first source's door in the map `DOORS`; the links' doors stand before, by slot.
pub const SOURCE_DOORS: u32 = MAX_PORTS;
/// How far ahead of its rate a link may be while its door is open.
pub const DOOR_AHEAD_NS: u64 = 2_000_000;
/// How far ahead of its rate a link may be put by frames that weir does not send. A host that sends more than
/// the rate has the link to itself while it does, and for no longer than this time afterwards.
pub const CHARGE_AHEAD_NS: u64 = 100_000_000;
/// Words of a link in the map `DOORS`.
pub mod line {
    /// The [`Door`](super::Door).
    pub const DOOR: usize = 0;
    /// All bytes, ever, that weir did not send and that did not move the door's time on: its worker charges
    /// the link for them.
    pub const CHARGED: usize = 1;
}
/// A rate is given as the time that a byte takes, in units of 2^-20 ns.
pub const PER_BYTE_BITS: u32 = 20;
/// Bytes of headers that each segment of a superframe but the first adds on the link: Ethernet with a tag,
/// IPv6, and TCP with timestamps. Most segments have less.
const SEGMENT_HEADERS: u32 = 90;

impl Door {
    const CLOSED: u64 = 1;
    /// The bits above [`Self::CLOSED`] count sixteenths of a nanosecond.
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

    /// The time until which the link or the source is taken.
    #[inline(always)]
    pub const fn due_ns(self) -> u64 {
        (self.0 >> 1).div_ceil(1 << Self::SUB_NS_BITS)
    }

    #[inline(always)]
    pub const fn closed(self) -> Self {
        Self(self.0 | Self::CLOSED)
    }

    /// An open door after `bytes` have gone through it; `None`: they would be too early.
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

    /// An open door after `bytes` that weir did not send.
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

/// Bytes that a packet takes on a link, once it is cut into segments of this size (0: it is not cut).
#[inline(always)]
pub const fn bytes_on_link(len: u32, gso_size: u16) -> u32 {
    if gso_size == 0 { len } else { len + len / gso_size as u32 * SEGMENT_HEADERS }
}
