//! The content of a probe's datagrams. Numbers are big endian:
//!
//! ```text
//!  0 "weir"  4 version  5 kind  6 flow: u16  8 session: u64  16 number: u64
//! 24 monotonic: u64  32 realtime: u64  40 block: 3 x u64     ... filling up to the size
//! ```
//!
//! or, in the experiments and tests of weir, a stamp alone:
//!
//! ```text
//!  0 "we"  2 flow: u16  4 number: u32  8 monotonic: u64       ... filling up to the size
//! ```
//!
//! Invariant: a datagram of another version or kind is never taken for a probe's. A `Data` may end
//! before its block; a reflector does not answer it, so that an answer is never longer than what it
//! answers.

/// The shortest `Data`.
pub const DATA_LEN: usize = 40;
/// With room for the reflector's block; all other kinds have at least this length.
pub const FULL_LEN: usize = 64;
/// The shortest datagram with a stamp: it fits a frame of 64 bytes.
pub const STAMP_LEN: usize = 16;
const MAGIC: [u8; 4] = *b"weir";
const STAMP_MAGIC: [u8; 2] = *b"we";
const VERSION: u8 = 1;
/// No sender counts this far: a higher number is not a probe's.
const HIGHEST: u64 = 1 << 62;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Sender to sink or reflector: counted.
    Data = 1,
    /// Reflector to sender: the `Data` with [`Turned`].
    Reply = 2,
    /// Sender to sink or reflector, once it has sent all: number = how many of this flow, with
    /// [`Totals`].
    End = 3,
    /// The answer to an `End`: number = how many distinct datagrams of this flow came, with [`Came`].
    Ack = 4,
}

/// The beginning of every kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub flow: u16,
    pub session: Session,
    /// Counts from 0, in each flow.
    pub number: u64,
    /// The sender's CLOCK_MONOTONIC when it was sent.
    pub monotonic_ns: u64,
    /// Its CLOCK_REALTIME, likewise.
    pub realtime_ns: u64,
}

/// One run of one sender. The upper half identifies the machine and its boot, so that a receiver
/// knows whether it shares the sender's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub u64);

impl Session {
    #[must_use]
    pub fn new(host: u32, random: u32) -> Self {
        Self(u64::from(host) << 32 | u64::from(random))
    }

    pub fn host(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The reflector's block, on its own monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    pub received_ns: u64,
    pub sent_ns: u64,
    /// Replies of this flow before this one.
    pub number: u64,
}

/// The totals of the session, in an `End`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub flows: u64,
    pub datagrams: u64,
}

/// The counts of one flow, in an `Ack`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Came {
    pub duplicates: u64,
    pub reordered: u64,
    /// How many a reflector has sent back; 0 from a sink.
    pub replied: u64,
}

impl Header {
    /// Writes the header into a datagram; false if it does not fit.
    pub fn write(&self, datagram: &mut [u8]) -> bool {
        let Some(front) = datagram.first_chunk_mut::<DATA_LEN>() else { return false };
        front[..4].copy_from_slice(&MAGIC);
        front[4] = VERSION;
        front[5] = self.kind as u8;
        front[6..8].copy_from_slice(&self.flow.to_be_bytes());
        let words = [self.session.0, self.number, self.monotonic_ns, self.realtime_ns];
        for (slot, word) in front[8..].chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
        true
    }

    /// `None` if the datagram is not a probe's.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let front = datagram.first_chunk::<DATA_LEN>()?;
        if front[..4] != MAGIC || front[4] != VERSION {
            return None;
        }
        let kind = match front[5] {
            1 => Kind::Data,
            2 => Kind::Reply,
            3 => Kind::End,
            4 => Kind::Ack,
            _ => return None,
        };
        if kind != Kind::Data && datagram.len() < FULL_LEN {
            return None;
        }
        let word = |n: usize| word(front, 8 + 8 * n);
        if word(1) > HIGHEST {
            return None;
        }
        Some(Self {
            kind,
            flow: u16::from_be_bytes([front[6], front[7]]),
            session: Session(word(0)),
            number: word(1),
            monotonic_ns: word(2),
            realtime_ns: word(3),
        })
    }
}

/// A shorter beginning of a datagram in place of a header. The program `tally` in
/// `xdp-ebpf/src/traffic.rs` reads it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub flow: u16,
    pub number: u32,
    /// CLOCK_MONOTONIC.
    pub sent_ns: u64,
}

impl Stamp {
    /// False if it does not fit.
    pub fn write(&self, datagram: &mut [u8]) -> bool {
        let Some(front) = datagram.first_chunk_mut::<STAMP_LEN>() else { return false };
        front[..2].copy_from_slice(&STAMP_MAGIC);
        front[2..4].copy_from_slice(&self.flow.to_be_bytes());
        front[4..8].copy_from_slice(&self.number.to_be_bytes());
        front[8..].copy_from_slice(&self.sent_ns.to_be_bytes());
        true
    }

    /// `None` if the datagram has no stamp.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let [m0, m1, f0, f1, n0, n1, n2, n3, sent @ ..] = *datagram.first_chunk::<STAMP_LEN>()?;
        ([m0, m1] == STAMP_MAGIC).then_some(Self {
            flow: u16::from_be_bytes([f0, f1]),
            number: u32::from_be_bytes([n0, n1, n2, n3]),
            sent_ns: u64::from_be_bytes(sent),
        })
    }

    /// As data of the one session that stamps belong to: that of the machine `host`.
    pub fn header(self, host: u32) -> Header {
        Header {
            kind: Kind::Data,
            flow: self.flow,
            session: Session::new(host, 0),
            number: self.number.into(),
            monotonic_ns: self.sent_ns,
            realtime_ns: 0,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    word.map_or(0, u64::from_be_bytes)
}

/// The part behind the header.
pub trait Block: Sized {
    fn words(&self) -> [u64; 3];
    fn of(words: [u64; 3]) -> Self;

    /// False if the datagram has no room for it.
    fn write(&self, datagram: &mut [u8]) -> bool {
        let Some(block) = datagram.get_mut(DATA_LEN..FULL_LEN) else { return false };
        for (slot, word) in block.chunks_exact_mut(8).zip(self.words()) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
        true
    }

    fn read(datagram: &[u8]) -> Self {
        Self::of([0, 8, 16].map(|offset| word(datagram, DATA_LEN + offset)))
    }
}

impl Block for Turned {
    fn words(&self) -> [u64; 3] {
        [self.received_ns, self.sent_ns, self.number]
    }
    fn of([received_ns, sent_ns, number]: [u64; 3]) -> Self {
        Self { received_ns, sent_ns, number }
    }
}

impl Block for Totals {
    fn words(&self) -> [u64; 3] {
        [self.flows, self.datagrams, 0]
    }
    fn of([flows, datagrams, _]: [u64; 3]) -> Self {
        Self { flows, datagrams }
    }
}

impl Block for Came {
    fn words(&self) -> [u64; 3] {
        [self.duplicates, self.reordered, self.replied]
    }
    fn of([duplicates, reordered, replied]: [u64; 3]) -> Self {
        Self { duplicates, reordered, replied }
    }
}

#[cfg(test)]
mod tests;
