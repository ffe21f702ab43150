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

#[test]
fn the_line_says_what_is_there_and_what_is_not() {
    let counts = Counts { packets: 1234, bytes: 98_765, missed: 7 };
    assert_eq!(line(counts), "1,234 packets, 98,765 bytes, 7 missed");
    assert!(line(Counts { packets: 1, ..counts }).starts_with("1 packet,"));
}
