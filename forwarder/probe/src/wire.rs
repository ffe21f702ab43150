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
/// With room for the block; all other kinds have at least this length.
pub const FULL_LEN: usize = 64;
/// The shortest datagram with a stamp: it fits a frame of 64 bytes.
pub const STAMP_LEN: usize = 16;
/// Magic and version, which begin a header.
const START: u64 = (u32::from_be_bytes(*b"weir") as u64) << 8 | 1;
const STAMP_START: u64 = u16::from_be_bytes(*b"we") as u64;
/// No sender counts this far: a higher number is not a probe's.
const HIGHEST: u64 = 1 << 62;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sender to sink or reflector: counted.
    Data,
    /// Reflector to sender: the `Data` that it answers.
    Reply(Turned),
    /// Sender to sink or reflector, once it has sent all: number = how many of this flow.
    End(Totals),
    /// The answer to an `End`: number = how many distinct datagrams of this flow came.
    Ack(Came),
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

impl Kind {
    /// Its number, and its block.
    fn parts(self) -> (u64, Option<[u64; 3]>) {
        match self {
            Self::Data => (1, None),
            Self::Reply(turned) => (2, Some([turned.received_ns, turned.sent_ns, turned.number])),
            Self::End(totals) => (3, Some([totals.flows, totals.datagrams, 0])),
            Self::Ack(came) => (4, Some([came.duplicates, came.reordered, came.replied])),
        }
    }

    /// `None` if there is no such kind, or not with this block.
    fn of(number: u8, block: Option<[u64; 3]>) -> Option<Self> {
        match (number, block) {
            (1, _) => Some(Self::Data),
            (2, Some([received_ns, sent_ns, number])) => {
                Some(Self::Reply(Turned { received_ns, sent_ns, number }))
            }
            (3, Some([flows, datagrams, _])) => Some(Self::End(Totals { flows, datagrams })),
            (4, Some([duplicates, reordered, replied])) => {
                Some(Self::Ack(Came { duplicates, reordered, replied }))
            }
            _ => None,
        }
    }
}

impl Header {
    /// Writes the header and the block into a datagram; false if they do not fit.
    pub fn write(&self, datagram: &mut [u8]) -> bool {
        let Self { kind, flow, session: Session(session), number, monotonic_ns, realtime_ns } =
            *self;
        let (kind, block) = kind.parts();
        let start = START << 24 | kind << 16 | u64::from(flow);
        match block {
            None => put(datagram, [start, session, number, monotonic_ns, realtime_ns]),
            Some([a, b, c]) => {
                put(datagram, [start, session, number, monotonic_ns, realtime_ns, a, b, c])
            }
        }
    }

    /// `None` if the datagram is not a probe's.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let [start, session, number, monotonic_ns, realtime_ns] = get(datagram)?;
        if start >> 24 != START || number > HIGHEST {
            return None;
        }
        let block = get(datagram).map(|[_, _, _, _, _, a, b, c]| [a, b, c]);
        let (kind, flow) = (Kind::of((start >> 16) as u8, block)?, start as u16);
        let session = Session(session);
        Some(Self { kind, flow, session, number, monotonic_ns, realtime_ns })
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
        let start = STAMP_START << 48 | u64::from(self.flow) << 32 | u64::from(self.number);
        put(datagram, [start, self.sent_ns])
    }

    /// `None` if the datagram has no stamp.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let [start, sent_ns] = get(datagram)?;
        let (flow, number) = ((start >> 32) as u16, start as u32);
        (start >> 48 == STAMP_START).then_some(Self { flow, number, sent_ns })
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

/// False, and nothing is written, if the numbers do not fit.
fn put<const N: usize>(datagram: &mut [u8], numbers: [u64; N]) -> bool {
    let room = datagram.as_chunks_mut().0.first_chunk_mut();
    room.map(|room| *room = numbers.map(u64::to_be_bytes)).is_some()
}

fn get<const N: usize>(datagram: &[u8]) -> Option<[u64; N]> {
    let numbers: [[u8; 8]; N] = *datagram.as_chunks().0.first_chunk()?;
    Some(numbers.map(u64::from_be_bytes))
}

#[cfg(test)]
mod tests;
