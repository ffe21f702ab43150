//! A capture as Wireshark reads it: an interface per port, nanoseconds, and for each packet its
//! direction, with its outcome as the comment.
//!
//! Invariant: only whole blocks leave; a packet's interface is described before it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};
use pcap_file::{DataLink, Endianness};
use weir_abi::{Counter, meta_flags};
use weir_core::PortId;
use weir_port::reason_of;

use super::merge::Observation;
use crate::worker::{Points, Step};

/// `epb_flags`: the direction.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
/// `if_tsresol`: nanoseconds.
const NANOSECONDS: u8 = 9;

#[derive(Debug)]
struct Interface {
    id: u32,
    name: String,
    packets: u64,
}

/// Writes into memory; [`Self::take`] returns what was written.
pub(crate) struct Capture {
    writer: PcapNgWriter<Vec<u8>>,
    interfaces: BTreeMap<PortId, Interface>,
    snaplen: u32,
    points: Points,
    /// Unix time minus the clock of the events' time stamps.
    epoch_ns: u64,
    began_ns: u64,
    packets: u64,
}

impl Capture {
    pub(crate) fn new(points: Points, snaplen: u32, epoch_ns: u64, now_ns: u64) -> Self {
        let options = vec![
            SectionHeaderOption::OS(Cow::Borrowed("Linux")),
            SectionHeaderOption::UserApplication(Cow::Borrowed(concat!(
                "weir ",
                env!("CARGO_PKG_VERSION")
            ))),
        ];
        let section =
            SectionHeaderBlock { endianness: Endianness::native(), options, ..Default::default() };
        #[expect(clippy::expect_used, reason = "only the Vec could fail, and it does not")]
        let writer = PcapNgWriter::with_section_header(Vec::new(), section)
            .expect("memory takes every byte");
        Self {
            writer,
            interfaces: BTreeMap::new(),
            snaplen,
            points,
            epoch_ns,
            began_ns: now_ns,
            packets: 0,
        }
    }

    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }

    /// Describes a port, unless it is already described by that name.
    pub(crate) fn name(&mut self, port: PortId, name: &str) {
        if self.interfaces.get(&port).is_some_and(|interface| interface.name == name) {
            return;
        }
        // A slot may get another port's name, so its earlier interface is described, too.
        let id = self.writer.interfaces().len() as u32;
        self.interfaces.insert(port, Interface { id, name: name.to_owned(), packets: 0 });
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: self.snaplen,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        };
        append(&mut self.writer, block);
    }

    /// Writes an observation, if it is a packet.
    pub(crate) fn write(&mut self, seen: &Observation, bytes: &[u8]) {
        let (port, at_ns, len, flags, comment) = match seen {
            Observation::Worker(_, event) => {
                let (flags, comment) = match event.step {
                    Step::Arrived { .. } => (INBOUND, None),
                    Step::Sent(_) => (OUTBOUND, None),
                    Step::Lost(reason) => (INBOUND, Some(lost(reason))),
                    _ => return,
                };
                (event.port(), event.at_ns, event.len, flags, comment)
            }
            Observation::Program { outcome, port, at_ns, len, .. } => {
                let lost = reason_of(*outcome).is_some();
                if !(self.points.arrival || self.points.loss && lost) {
                    return;
                }
                (*port, *at_ns, *len, INBOUND, Some(outcome_text(*outcome)))
            }
        };
        if !self.interfaces.contains_key(&port) {
            // The port is so new that its name is not known yet.
            self.name(port, &format!("#{}", port.0));
        }
        let Some(interface) = self.interfaces.get_mut(&port) else { return };
        interface.packets += 1;
        self.packets += 1;
        let mut options = vec![EnhancedPacketOption::Flags(flags)];
        let comments = comment.into_iter().chain(offload(seen));
        options.extend(comments.map(|comment| EnhancedPacketOption::Comment(Cow::Owned(comment))));
        let block = EnhancedPacketBlock {
            interface_id: interface.id,
            timestamp: Duration::from_nanos(at_ns.wrapping_add(self.epoch_ns)),
            original_len: len,
            data: Cow::Borrowed(bytes),
            options,
        };
        append(&mut self.writer, block);
    }

    /// Writes how many packets of each port were captured, and how many found no room.
    pub(crate) fn statistics(&mut self, now_ns: u64, missed_at: impl Fn(PortId) -> u64) {
        let time = |ns: u64| words(ns.wrapping_add(self.epoch_ns));
        for (port, interface) in &self.interfaces {
            let missed = missed_at(*port);
            let mut options = vec![
                InterfaceStatisticsOption::IsbStartTime(time(self.began_ns)),
                InterfaceStatisticsOption::IsbEndTime(time(now_ns)),
                InterfaceStatisticsOption::IsbIfRecv(interface.packets + missed),
                InterfaceStatisticsOption::IsbOsDrop(missed),
                InterfaceStatisticsOption::IsbUsrDeliv(interface.packets),
            ];
            if missed > 0 {
                let comment = format!(
                    "{missed} packets of {} are missing here: the capture buffer was full",
                    interface.name
                );
                options.push(InterfaceStatisticsOption::Comment(Cow::Owned(comment)));
            }
            let (interface_id, timestamp) = (interface.id, time(now_ns));
            let block = InterfaceStatisticsBlock { interface_id, timestamp, options };
            append(&mut self.writer, block);
        }
    }
}

/// Fails only for an interface that is not described: memory takes every byte.
fn append<'b>(writer: &mut PcapNgWriter<Vec<u8>>, block: impl PcapNgBlock<'b>) {
    if let Err(error) = writer.write_pcapng_block(block) {
        tracing::error!(%error, "a packet could not be written into the capture");
        weir_core::broken!("a capture has a packet of an interface that it does not describe");
    }
}

/// The format stores a time as two words, the high one first, in either byte order; the library writes
/// them as one number.
fn words(ns: u64) -> u64 {
    if cfg!(target_endian = "little") { ns.rotate_left(32) } else { ns }
}

fn lost(reason: weir_core::Reason) -> String {
    format!("lost: {} - {}", reason.name(), reason.describe())
}

/// The outcome of a frame that the program did not steer, as text.
fn outcome_text(outcome: Counter) -> String {
    match reason_of(outcome) {
        Some(reason) => lost(reason),
        None => format!("{} - {}", outcome.name(), outcome.describe()),
    }
}

/// Offload state that the packet's bytes do not show.
fn offload(seen: &Observation) -> Option<String> {
    let Observation::Worker(_, event) = seen else { return None };
    if event.facts.gso_size != 0 {
        let size = event.facts.gso_size;
        return Some(format!(
            "superframe: segments of {size} bytes of payload, with checksums that are partial \
             until it is cut"
        ));
    }
    let is_partial = event.facts.has(meta_flags::CSUM_PARTIAL);
    is_partial.then(|| "the checksum is partial: left to the device that sends it".to_owned())
}

#[cfg(test)]
mod tests;
