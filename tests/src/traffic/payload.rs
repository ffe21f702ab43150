//! What a counted UDP datagram carries: flow, sequence number and time of sending.
//!
//! Invariant: it fits the payload of a 64-byte frame (22 bytes over IPv4 without the checksum
//! trailer), and arrivals are judged by the sequence number alone.

/// Bytes of the stamp; the smallest payload.
pub const STAMP: usize = 16;
const MAGIC: u16 = 0x7765;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub flow: u16,
    pub seq: u32,
    /// CLOCK_MONOTONIC.
    pub sent_ns: u64,
}

impl Stamp {
    pub fn write(&self, payload: &mut [u8]) {
        let mut stamp = [0_u8; STAMP];
        stamp[..2].copy_from_slice(&MAGIC.to_be_bytes());
        stamp[2..4].copy_from_slice(&self.flow.to_be_bytes());
        stamp[4..8].copy_from_slice(&self.seq.to_be_bytes());
        stamp[8..].copy_from_slice(&self.sent_ns.to_be_bytes());
        if let Some(front) = payload.get_mut(..STAMP) {
            front.copy_from_slice(&stamp);
        }
    }

    /// None if the datagram is not one of ours.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let stamp: &[u8; STAMP] = payload.first_chunk()?;
        let [m0, m1, f0, f1, s0, s1, s2, s3, sent @ ..] = *stamp;
        (u16::from_be_bytes([m0, m1]) == MAGIC).then_some(Self {
            flow: u16::from_be_bytes([f0, f1]),
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            sent_ns: u64::from_be_bytes(sent),
        })
    }
}

/// Which sequence numbers of one flow have come.
#[derive(Debug, Default)]
pub struct Seen {
    bits: Vec<u64>,
    highest: Option<u32>,
    pub unique: u64,
    pub duplicates: u64,
    /// Arrived after a higher number.
    pub reordered: u64,
}

impl Seen {
    pub fn take(&mut self, seq: u32) {
        let (word, bit) = (seq as usize / 64, 1_u64 << (seq % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let Some(slot) = self.bits.get_mut(word) else { return };
        if *slot & bit != 0 {
            self.duplicates += 1;
            return;
        }
        *slot |= bit;
        self.unique += 1;
        match self.highest {
            Some(highest) if seq < highest => self.reordered += 1,
            _ => self.highest = Some(seq),
        }
    }
}

/// CLOCK_MONOTONIC, the clock of the XDP program too.
#[must_use]
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests;
