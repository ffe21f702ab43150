//! What the program reports to user space for captures and traces: the frames that it does not steer.
//! User space sees the steered ones anyway.
//!
//! Invariant: a frame is reported only if user space has asked for its outcome at its port. A record for
//! which the ring has no room is counted, and nothing waits for it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Counter;

/// The most bytes of a frame in a record: a plain frame of the usual MTU with two tags.
pub const WATCH_BYTES: usize = 1528;
/// The ring's size: about 300 long frames, or 5000 short ones.
pub const RING_BYTES: u32 = 512 * 1024;

/// In front of the frame's bytes, of which `captured` follow.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Unsteered {
    /// `bpf_ktime_get_ns`, as in [`Meta`](crate::Meta).
    pub at_ns: u64,
    /// Whole frame, all buffers of its chain.
    pub len: u32,
    /// How many of its bytes follow.
    pub captured: u32,
    /// Slot of the ingress port.
    pub port: u16,
    /// The [`Counter`] under which it was counted.
    pub outcome: u16,
    /// [`ABI_VERSION`](crate::ABI_VERSION) of the program.
    pub abi: u16,
    pub reserved: u16,
}

/// Length of [`Unsteered`].
pub const UNSTEERED_LEN: usize = 24;

const _: () = assert!(size_of::<Unsteered>() == UNSTEERED_LEN && align_of::<Unsteered>() == 8);

impl Unsteered {
    /// Splits an entry of the ring; `None` if it cannot be one.
    pub fn read(entry: &[u8]) -> Option<(Self, &[u8])> {
        let (head, bytes) = Self::read_from_prefix(entry).ok()?;
        let bytes = bytes.get(..head.captured as usize)?;
        (head.abi == crate::ABI_VERSION).then_some((head, bytes))
    }

    pub fn counter(&self) -> Option<Counter> {
        Counter::all().nth(self.outcome.into())
    }
}

/// A record as the program puts it together.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub head: Unsteered,
    pub bytes: [u8; WATCH_BYTES],
}

const _: () = assert!(size_of::<Record>() == UNSTEERED_LEN + WATCH_BYTES);

/// The bit of an outcome in a port's cell of the map `WATCH`.
#[inline(always)]
pub const fn bit(outcome: Counter) -> u64 {
    1 << outcome as u32
}

const _: () = assert!(Counter::COUNT <= 64, "a bit for each");
