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
mod tests {
    use super::*;
    use std::borrow::Cow;

    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
    use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;
    use pcap_file::pcapng::blocks::interface_statistics::{
        InterfaceStatisticsBlock, InterfaceStatisticsOption as Statistic,
    };

    fn file() -> Vec<u8> {
        let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
        let ethernet = pcap_file::DataLink::ETHERNET;
        writer.write_pcapng_block(InterfaceDescriptionBlock::new(ethernet, 0)).unwrap();
        for len in [1, 60, 1514] {
            let packet = EnhancedPacketBlock {
                interface_id: 0,
                timestamp: std::time::Duration::ZERO,
                original_len: 2000,
                data: Cow::Owned(vec![6; len]),
                options: Vec::new(),
            };
            writer.write_pcapng_block(packet).unwrap();
        }
        for missed in [3, 9] {
            let options = vec![
                Statistic::Comment("seven".into()),
                Statistic::IsbIfRecv(1),
                Statistic::IsbOsDrop(missed),
            ];
            let block = InterfaceStatisticsBlock { interface_id: 0, timestamp: 0, options };
            writer.write_pcapng_block(block).unwrap();
        }
        writer.into_inner()
    }

    #[test]
    fn however_it_comes_it_is_counted_and_given_on_in_whole_blocks() {
        let file = file();
        for step in [1, 7, 100, file.len()] {
            let mut blocks = Blocks::default();
            let mut written = Vec::new();
            for part in file.chunks(step) {
                written.extend_from_slice(blocks.take_in(part));
            }
            assert_eq!(written, file);
            assert_eq!(blocks.counts(), Counts { packets: 3, bytes: 1575, missed: 9 });
        }
    }

    #[test]
    fn the_beginning_of_a_block_is_kept_back() {
        let file = file();
        let mut blocks = Blocks::default();
        let written = blocks.take_in(&file[..file.len() - 1]).len();
        assert!(written < file.len() - 1);
        assert_eq!(blocks.counts().missed, 3);
    }
}
