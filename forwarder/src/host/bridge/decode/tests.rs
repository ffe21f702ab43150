use std::time::Duration;

use super::super::state::{StpState, VLAN_PROTOCOL_8021Q};
use super::super::testing::{BRIDGE, PORT, RecordedCommand, recorded};
use super::*;

/// The kernel's messages about the first command with this beginning.
fn step(command: &str) -> RecordedCommand {
    recorded().into_iter().find(|step| step.command.starts_with(command)).unwrap()
}

fn messages(command: &str) -> Vec<Message> {
    step(command).messages().collect()
}

#[test]
fn every_recorded_message_is_understood_but_those_of_others() {
    for step in recorded() {
        for (kind, payload) in &step.said {
            let family = i32::from(payload[0]);
            let arp = matches!(family, libc::AF_INET | libc::AF_INET6);
            // The bridge's own VLANs, of which the host is a member.
            let own = family == libc::AF_BRIDGE
                && *kind == libc::RTM_NEWLINK
                && u32_at(payload, 4) == Some(BRIDGE);
            assert_eq!(
                message(*kind, payload, 0).is_none(),
                arp || own,
                "{}: {kind}",
                step.command
            );
        }
    }
}

#[test]
fn every_truncation_is_harmless() {
    for step in recorded() {
        for (kind, payload) in &step.said {
            for len in 0..payload.len() {
                let _ = message(*kind, &payload[..len], 0);
            }
            for byte in 0..payload.len() {
                let mut garbled = payload.clone();
                garbled[byte] ^= 0xff;
                let _ = message(*kind, &garbled, 0);
            }
        }
    }
}

#[test]
fn reads_the_settings_of_a_bridge() {
    let Some(Message::Bridge { ifindex, settings }) = messages("ip link set br0 up").pop() else {
        panic!("no bridge")
    };
    assert_eq!(ifindex, BRIDGE);
    assert_eq!(settings.name, "br0");
    assert!(settings.up && settings.vlan_filtering);
    assert_eq!(settings.vlan_protocol, VLAN_PROTOCOL_8021Q);
    assert_eq!(settings.ageing, Duration::from_secs(300));
    assert_eq!(settings.forward_delay, Duration::from_secs(15));
    assert_eq!(settings.hold_time(), settings.ageing);
    assert!(!settings.mst && !settings.promiscuous);
    let promiscuous = messages("ip link set br0 promisc on")
        .into_iter()
        .any(|message| matches!(message, Message::Bridge { settings, .. } if settings.promiscuous));
    assert!(promiscuous);
}

#[test]
fn reads_a_port_from_either_kind_of_message() {
    let step = messages("ip link set v1 type bridge_slave neigh_suppress on");
    assert_eq!(step.len(), 2);
    for message in step {
        let Message::Port { bridge, ifindex, settings, vlans } = message else { panic!() };
        assert_eq!((bridge, ifindex, settings.name.as_str()), (BRIDGE, PORT, "v1"));
        assert!(settings.isolated && settings.locked);
        assert!(settings.neigh_suppress && settings.learning);
        assert!(!settings.mab && !settings.proxy_arp);
        assert_eq!((settings.stp_state, settings.backup_port), (StpState::FORWARDING, None));
        if let Some(vlans) = vlans {
            assert_eq!((vlans.pvid(), vlans.iter().count()), (Some(1), 1));
        }
    }
}

#[test]
fn reads_vlans_from_either_kind_of_message() {
    let all = messages("bridge vlan add dev v1 vid 100-110");
    let Some(Message::Port { vlans: Some(list), .. }) = all.last() else { panic!("{all:?}") };
    assert_eq!(list.spans(|_| true), [(1, 1), (100, 110)]);
    assert_eq!(list.spans(|flags| flags.untagged), [(1, 1)]);
    let range = all.iter().find_map(|message| match message {
        Message::Vlans { ifindex: PORT, ranges, gone: false } => Some(ranges.clone()),
        _ => None,
    });
    let range = VlanSet::from_iter(range.unwrap());
    assert!(range.iter().eq(list.iter().skip(1)), "{range:?}");
    let Some(Message::Vlans { ranges, .. }) = messages("bridge vlan set dev v1 vid 102").pop()
    else {
        panic!("no state")
    };
    assert_eq!((ranges[0].first, ranges[0].last), (102, 102));
    assert_eq!(ranges[0].flags.state, StpState::BLOCKING);
    let gone = messages("bridge vlan del").into_iter().find_map(|message| match message {
        Message::Vlans { ifindex: PORT, ranges, gone: true } => {
            Some((ranges[0].first, ranges[0].last))
        }
        _ => None,
    });
    assert_eq!(gone, Some((104, 106)));
}

#[test]
fn reads_addresses() {
    let seen = |command| match &messages(command)[..] {
        [Message::Address { bridge: BRIDGE, seen }] => *seen,
        other => panic!("{other:?}"),
    };
    let dynamic = seen("bridge fdb add 02:00:00:00:00:77").address;
    assert_eq!(dynamic.key, AddressKey { mac: [2, 0, 0, 0, 0, 0x77], vid: 100 });
    assert_eq!((dynamic.ifindex, dynamic.kind), (PORT, AddressKind::Learned));
    assert!(dynamic.ages() && !dynamic.locked);
    let fixed = seen("bridge fdb add 02:00:00:00:00:78").address;
    assert_eq!(fixed.kind, AddressKind::Static);
    assert!(!fixed.ages());
    let [Message::AddressGone { key, ifindex: PORT, .. }] = messages("bridge fdb del")[..] else {
        panic!("not gone")
    };
    assert_eq!(key, dynamic.key);
    let (_, gone) = address(&step("bridge fdb del").said[0].1, 1_000_000_000).unwrap();
    assert_eq!(gone.at_ns, 1_000_000_000 - 10_000_000 * 0x23);
}

#[test]
fn an_address_at_a_locked_port_is_told_apart() {
    let mut payload = step("bridge fdb add 02:00:00:00:00:77").said[0].1.clone();
    payload.extend_from_slice(&[8, 0, NDA_FLAGS_EXT as u8, 0, NTF_EXT_LOCKED as u8, 0, 0, 0]);
    payload[10] |= NTF_EXT_LEARNED;
    let (_, Seen { address, .. }) = address(&payload, 0).unwrap();
    assert!(address.locked && address.extern_learned && !address.ages());
}

/// A NIC with virtual functions describes its internal switch with the same kind of message.
#[test]
fn a_switch_inside_a_nic_is_no_bridge() {
    let mut payload = vec![0; 16];
    payload[0] = libc::AF_BRIDGE as u8;
    payload[4] = 9;
    let mut own = Vec::new();
    for (kind, value) in [(0_u16, 2_u16), (1, 0)] {
        own.extend_from_slice(&6_u16.to_ne_bytes());
        own.extend_from_slice(&kind.to_ne_bytes());
        own.extend_from_slice(&value.to_ne_bytes());
        own.extend_from_slice(&[0; 2]);
    }
    for (kind, value) in [(libc::IFLA_MASTER, &9_u32.to_ne_bytes()[..]), (libc::IFLA_AF_SPEC, &own)]
    {
        payload.extend_from_slice(&(value.len() as u16 + 4).to_ne_bytes());
        payload.extend_from_slice(&kind.to_ne_bytes());
        payload.extend_from_slice(value);
    }
    assert_eq!(message(libc::RTM_NEWLINK, &payload, 0), None);
}
