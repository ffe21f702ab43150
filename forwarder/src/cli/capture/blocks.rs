//! A stream of pcapng, taken apart as far as is needed to count and to end well.
//!
//! Invariant: what is given on is whole blocks; what is no pcapng is given on as it is.

use std::collections::BTreeMap;

const PACKET: u32 = 6;
const STATISTICS: u32 = 5;
/// `isb_osdrop`.
const MISSED: u16 = 7;
/// Type, length, and the length again at the end.
const LEAST: usize = 12;

/// What a capture holds so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) packets: u64,
    /// Of the packets, as they are in the file.
    pub(super) bytes: u64,
    pub(super) missed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// From the last call on: whole blocks, then the beginning of one.
    buffer: Vec<u8>,
    /// How much of it was given on.
    given: usize,
    packets: u64,
    bytes: u64,
    /// By interface; each statement replaces the one before.
    missed: BTreeMap<u32, u64>,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map(|word| u32::from_ne_bytes(*word))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map(|half| u16::from_ne_bytes(*half))
}

impl Blocks {
    /// Takes the next part in, and gives the blocks that are whole now.
    pub(super) fn take_in(&mut self, part: &[u8]) -> &[u8] {
        self.buffer.drain(..self.given);
        self.buffer.extend_from_slice(part);
        let mut at = 0;
        while let Some(rest) = self.buffer.get(at..)
            && let (Some(kind), Some(len)) = (word(rest, 0), word(rest, 4))
        {
            let len = (len as usize).max(LEAST);
            let Some(block) = rest.get(..len) else { break };
            match kind {
                PACKET => {
                    self.packets += 1;
                    self.bytes += u64::from(word(block, 20).unwrap_or_default());
                }
                STATISTICS => {
                    if let (Some(interface), Some(missed)) = (word(block, 8), missed_in(block)) {
                        self.missed.insert(interface, missed);
                    }
                }
                _ => {}
            }
            at += len;
        }
        self.given = at;
        self.buffer.get(..at).unwrap_or_default()
    }

    pub(super) fn counts(&self) -> Counts {
        let missed = self.missed.values().sum();
        Counts { packets: self.packets, bytes: self.bytes, missed }
    }
}

/// The option of a statistics block that says how many are missing.
fn missed_in(block: &[u8]) -> Option<u64> {
    // Behind the interface and the time.
    let mut at = 20;
    loop {
        let (code, len) = (half(block, at)?, half(block, at + 2)?);
        match code {
            0 => return None,
            MISSED => {
                let value = block.get(at + 4..).and_then(<[u8]>::first_chunk)?;
                return Some(u64::from_ne_bytes(*value));
            }
            _ => at += 4 + usize::from(len).next_multiple_of(4),
        }
    }
}

#[cfg(test)]
mod tests;
