//! A stream of pcapng, parsed as far as counting and a clean end require.
//!
//! Invariant: only whole blocks are passed on; a stream that is not pcapng is passed on unchanged.

use std::collections::BTreeMap;

use pcap_file::PcapError;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::{Block, PcapNgParser};

/// The contents of a capture so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) packets: u64,
    /// Bytes of the packets, as they are in the file.
    pub(super) bytes: u64,
    pub(super) missed: u64,
}

#[derive(Default)]
pub(super) struct Blocks {
    /// `None` until the header of the file is there.
    parser: Option<PcapNgParser>,
    /// The data since the last call: whole blocks, then the beginning of one.
    buffer: Vec<u8>,
    /// How much of it was passed on.
    given: usize,
    counts: Counts,
    /// Missed packets by interface; each report replaces the one before.
    missed: BTreeMap<u32, u64>,
}

impl Blocks {
    /// Takes the next part in, and returns the blocks that are whole now.
    pub(super) fn take_in(&mut self, part: &[u8]) -> &[u8] {
        self.buffer.drain(..self.given);
        self.buffer.extend_from_slice(part);
        let mut rest = self.buffer.as_slice();
        loop {
            let read = match &mut self.parser {
                Some(parser) => parser.next_block(rest).map(|(left, block)| (left, Some(block))),
                none => PcapNgParser::new(rest).map(|(left, parser)| {
                    *none = Some(parser);
                    (left, None)
                }),
            };
            let block = match read {
                Ok((left, block)) => {
                    rest = left;
                    block
                }
                Err(PcapError::IncompleteBuffer) => break,
                Err(_) => {
                    rest = &[];
                    break;
                }
            };
            match block {
                Some(Block::EnhancedPacket(packet)) => {
                    self.counts.packets += 1;
                    self.counts.bytes += packet.data.len() as u64;
                }
                Some(Block::InterfaceStatistics(statistics)) => {
                    for option in statistics.options {
                        if let InterfaceStatisticsOption::IsbOsDrop(missed) = option {
                            self.missed.insert(statistics.interface_id, missed);
                        }
                    }
                }
                _ => {}
            }
        }
        self.given = self.buffer.len() - rest.len();
        self.buffer.get(..self.given).unwrap_or_default()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { missed: self.missed.values().sum(), ..self.counts }
    }
}

#[cfg(test)]
mod tests;
