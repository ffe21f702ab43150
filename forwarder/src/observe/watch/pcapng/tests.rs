use super::*;
use crate::worker::{Event, Facts};
use pcap_file::pcapng::{Block, PcapNgReader};
use weir_core::Reason;

const ALL: Points = Points { arrival: true, departure: true, loss: true };

fn event(step: Step, at_ns: u64) -> Observation {
    Observation::Worker(
        0,
        Event {
            at_ns,
            step,
            ingress_ns: at_ns,
            ingress: PortId(1),
            mark: 0,
            len: 60,
            captured: 4,
            facts: Facts::default(),
        },
    )
}

fn blocks(bytes: &[u8]) -> Vec<Block<'static>> {
    let mut reader = PcapNgReader::new(bytes).unwrap();
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block() {
        blocks.push(block.unwrap().into_owned());
    }
    blocks
}

#[test]
fn each_packet_says_where_which_way_and_what_became_of_it() {
    let mut file = Capture::new(ALL, 2048, 1_000_000_000_000, 0);
    file.name(PortId(1), "v1");
    file.name(PortId(2), "v2");
    file.name(PortId(1), "v1");
    let program = Observation::Program {
        outcome: Counter::Spoofed,
        port: PortId(1),
        at_ns: 9,
        len: 60,
        facts: Facts::default(),
    };
    for seen in [
        event(Step::Arrived { taken_ns: 8 }, 7),
        event(Step::Sent(PortId(2)), 8),
        event(Step::Lost(Reason::QueueFull), 9),
        program,
    ] {
        file.write(&seen, &[1, 2, 3, 4]);
    }
    file.statistics(20, |port| u64::from(port == PortId(2)) * 5);
    let written = blocks(&file.take());
    let interfaces: Vec<_> =
        written.iter().filter(|block| matches!(block, Block::InterfaceDescription(_))).collect();
    assert_eq!(interfaces.len(), 2);
    let packets: Vec<_> = written
        .iter()
        .filter_map(|block| match block {
            Block::EnhancedPacket(packet) => Some(packet),
            _ => None,
        })
        .collect();
    assert_eq!(packets.len(), 4);
    assert_eq!(packets[0].timestamp, Duration::from_nanos(1_000_000_000_007));
    let of = |packet: &EnhancedPacketBlock<'_>| {
        let mut flags = 0;
        let mut comment = String::new();
        for option in &packet.options {
            match option {
                EnhancedPacketOption::Flags(found) => flags = *found,
                EnhancedPacketOption::Comment(found) => comment = found.to_string(),
                _ => {}
            }
        }
        (packet.interface_id, flags, comment)
    };
    assert_eq!(of(packets[0]), (0, INBOUND, String::new()));
    assert_eq!(of(packets[1]), (1, OUTBOUND, String::new()));
    assert!(of(packets[2]).2.starts_with("lost: queue_full - The vif's queue"));
    assert!(of(packets[3]).2.starts_with("lost: spoofed - The source address"));
    let missed: Vec<_> = written
        .iter()
        .filter_map(|block| match block {
            // The reader, too, reads the two words of a time as one number.
            Block::InterfaceStatistics(block) if block.timestamp != words(1_000_000_000_020) => {
                None
            }
            Block::InterfaceStatistics(block) => block.options.iter().find_map(|o| match o {
                InterfaceStatisticsOption::IsbOsDrop(missed) => Some(*missed),
                _ => None,
            }),
            _ => None,
        })
        .collect();
    assert_eq!(missed, [0, 5]);
}

#[test]
fn what_was_passed_is_no_loss() {
    let program = |outcome| Observation::Program {
        outcome,
        port: PortId(1),
        at_ns: 9,
        len: 60,
        facts: Facts::default(),
    };
    let losses = Points { loss: true, ..Points::default() };
    let mut file = Capture::new(losses, 2048, 0, 0);
    file.name(PortId(1), "v1");
    file.write(&program(Counter::PassedHost), &[0; 4]);
    assert_eq!(file.packets(), 0);
    file.write(&program(Counter::Malformed), &[0; 4]);
    assert_eq!(file.packets(), 1);
    assert!(outcome_text(Counter::PassedHost).starts_with("passed_host - For the host itself"));
}

#[test]
fn a_place_that_gets_another_name_is_another_interface() {
    let mut file = Capture::new(ALL, 2048, 0, 0);
    file.name(PortId(1), "v1");
    file.name(PortId(1), "v9");
    file.write(&event(Step::Arrived { taken_ns: 0 }, 0), &[0; 4]);
    let written = blocks(&file.take());
    let Some(Block::EnhancedPacket(packet)) = written.last() else { panic!("{written:?}") };
    assert_eq!(packet.interface_id, 1);
}
