//! `weir capture`: writes the running weir's packets to a file or a pipe. Invariant: only whole blocks are
//! written, so the file can be read wherever it ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use pcap_file::PcapError;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::{Block, PcapNgParser};

use super::Output;
use super::args::CaptureArgs;
use super::render::grouped;
use super::stop::{Stop, follow};
use weir_api::Client;
use weir_schema::ConfigErrors;

/// The file to write to; `-` is standard output.
fn open(path: &Path) -> anyhow::Result<Output> {
    if path != Path::new("-") {
        // Only the owner may read the guests' traffic.
        return Output::file(path, File::options().mode(0o600));
    }
    if io::stdout().is_terminal() {
        let wrong = "a capture is nothing for a terminal to show";
        let valid = "valid: -w FILE, or a pipe: weir capture | wireshark -k -i -";
        return Err(ConfigErrors::argument("-w", wrong, valid).into());
    }
    Ok(Output::default())
}

pub async fn run(args: &CaptureArgs, control: &Path) -> anyhow::Result<()> {
    let stop = Stop::listen()?;
    let mut output = open(&args.write)?;
    let mut stream = Client::at(control).capture(&args.query()).await?;
    let mut blocks = Blocks::default();
    // Progress goes to standard error, and only if it is a terminal.
    let begin = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    follow(&mut stream, stop, |part| {
        match part {
            Some(part) => output.write(blocks.take_in(part))?,
            None if begin.is_empty() => {}
            None => drop(write!(io::stderr(), "{begin}{}", line(blocks.counts()))),
        }
        Ok(())
    })
    .await?;
    let _ = writeln!(io::stderr(), "{begin}{}", line(blocks.counts()));
    Ok(())
}

fn line(counts: Counts) -> String {
    let Counts { packets, bytes, missed } = counts;
    let plural = if packets == 1 { "packet" } else { "packets" };
    format!("{} {plural}, {} bytes, {} missed", grouped(packets), grouped(bytes), grouped(missed))
}

/// The contents of a capture so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    packets: u64,
    /// Bytes of the packets, as they are in the file.
    bytes: u64,
    missed: u64,
}

/// A stream of pcapng, parsed as far as counting and a clean end require. Only whole blocks are passed on;
/// a stream that is not pcapng is passed on unchanged.
#[derive(Default)]
struct Blocks {
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
    fn take_in(&mut self, part: &[u8]) -> &[u8] {
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

    fn counts(&self) -> Counts {
        Counts { missed: self.missed.values().sum(), ..self.counts }
    }
}

#[cfg(test)]
mod tests;
