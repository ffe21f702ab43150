use std::net::Ipv6Addr;

use super::*;

fn attribute(into: &mut Vec<u8>, kind: u16, value: &[u8]) {
    into.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
    into.extend_from_slice(&kind.to_ne_bytes());
    into.extend_from_slice(value);
    into.resize(into.len().next_multiple_of(4), 0);
}

fn veth() -> Vec<u8> {
    let mut payload = vec![0, 0, 1, 0];
    payload.extend_from_slice(&7_u32.to_ne_bytes());
    payload.extend_from_slice(&(libc::IFF_UP as u32).to_ne_bytes());
    payload.extend_from_slice(&[0; 4]);
    attribute(&mut payload, libc::IFLA_IFNAME, b"v1\0");
    attribute(&mut payload, libc::IFLA_MTU, &1500_u32.to_ne_bytes());
    attribute(&mut payload, libc::IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]);
    attribute(&mut payload, libc::IFLA_MASTER, &3_u32.to_ne_bytes());
    attribute(&mut payload, libc::IFLA_LINK, &2_u32.to_ne_bytes());
    attribute(&mut payload, libc::IFLA_LINK_NETNSID, &5_u32.to_ne_bytes());
    let mut info = Vec::new();
    attribute(&mut info, libc::IFLA_INFO_KIND, b"veth\0");
    attribute(&mut info, libc::IFLA_INFO_SLAVE_KIND, b"bridge\0");
    attribute(&mut payload, libc::IFLA_LINKINFO, &info);
    let mut program = Vec::new();
    attribute(&mut program, IFLA_XDP_SKB_PROG_ID, &44_u32.to_ne_bytes());
    attribute(&mut payload, libc::IFLA_XDP, &program);
    attribute(&mut payload, 9999, b"what a kernel of the future says");
    payload
}

#[test]
fn reads_a_veth_in_a_bridge() {
    let link = link(&veth()).unwrap();
    assert_eq!((link.ifindex, link.name.as_str(), link.mtu), (7, "v1", 1500));
    assert_eq!(link.kind, LinkKind::Veth);
    assert!(link.up && !link.carrier && link.ethernet);
    assert_eq!(link.bridge(), Some(3));
    assert_eq!(link.peer, Some(Peer { ifindex: 2, netns_id: Some(5) }));
    assert_eq!(link.xdp.program(), Some((44, "xdpgeneric")));
    assert_eq!(ends(&veth()), [Some(7), Some(2)]);
}

#[test]
fn every_truncation_is_harmless() {
    let payload = veth();
    for len in 0..payload.len() {
        let _ = link(&payload[..len]);
        let _ = ends(&payload[..len]);
        let _ = address(&payload[..len]);
        let _ = default_route(&payload[..len]);
    }
}

#[test]
fn what_a_bridge_says_of_its_ports_is_not_a_link() {
    let mut payload = veth();
    payload[0] = libc::AF_BRIDGE as u8;
    assert_eq!(link(&payload), None);
    assert_eq!(ends(&payload), [None; 2]);
}

#[test]
fn default_routes_of_the_main_table_count() {
    let mut payload = vec![libc::AF_INET as u8, 0, 0, 0, libc::RT_TABLE_MAIN, 3, 0];
    payload.push(libc::RTN_UNICAST);
    payload.extend_from_slice(&[0; 4]);
    let bare = payload.clone();
    attribute(&mut payload, libc::RTA_OIF, &4_u32.to_ne_bytes());
    assert_eq!(default_route(&payload), [4]);
    payload[1] = 24;
    assert!(default_route(&payload).is_empty());

    let mut multipath = bare.clone();
    let mut hops = Vec::new();
    for ifindex in [4_u32, 9] {
        hops.extend_from_slice(&[8, 0, 0, 0]);
        hops.extend_from_slice(&ifindex.to_ne_bytes());
    }
    attribute(&mut multipath, libc::RTA_MULTIPATH, &hops);
    assert_eq!(default_route(&multipath), [4, 9]);

    let mut other_table = bare;
    attribute(&mut other_table, libc::RTA_OIF, &4_u32.to_ne_bytes());
    attribute(&mut other_table, libc::RTA_TABLE, &1000_u32.to_ne_bytes());
    assert!(default_route(&other_table).is_empty());
}

#[test]
fn link_local_addresses_are_left_out() {
    let mut payload = vec![libc::AF_INET6 as u8, 64, 0, 0];
    payload.extend_from_slice(&7_u32.to_ne_bytes());
    let address_bytes = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets();
    attribute(&mut payload, libc::IFA_ADDRESS, &address_bytes);
    let expected: IpAddr = "2001:db8::1".parse().unwrap();
    assert_eq!(address(&payload), Some((7, (expected, 64))));
    payload[3] = libc::RT_SCOPE_LINK;
    assert_eq!(address(&payload), None);
}

#[test]
fn the_kernels_own_device_is_among_them_and_asked_for_alone() {
    let all = super::super::tx_dropped(None).unwrap();
    // `lo` is the first interface of every namespace.
    assert!(all.contains_key(&1), "{all:?}");
    assert_eq!(super::super::tx_dropped(Some(1)).unwrap().len(), 1);
}

#[test]
fn a_torn_answer_is_passed_over() {
    assert_eq!(tx_dropped(&[0; 11]), None);
    assert_eq!(tx_dropped(&[0; 12]), None);
}
