use super::*;
use std::net::Ipv6Addr;

fn of(kind: u16, body: &[u8]) -> String {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(kind.to_be_bytes());
    frame.extend(body);
    let verdict = weir_abi::classify(&frame[..]).unwrap();
    summary(&Facts::from(&verdict), &frame)
}

#[test]
fn says_who_speaks_to_whom() {
    let mut udp = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    udp.extend([0x04, 0xd2, 0, 53, 0, 8, 0, 0]);
    let ends = "02:00:00:00:00:02 > 02:00:00:00:00:01";
    assert_eq!(of(0x0800, &udp), format!("{ends}, IPv4 UDP 10.0.0.1:1234 > 10.0.0.2:53"));
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 1];
    arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    assert_eq!(of(0x0806, &arp), format!("{ends}, ARP 10.0.0.1 > 10.0.0.2"));
    assert_eq!(of(0x88b5, &[0; 46]), format!("{ends}, EtherType 0x88b5"));
    let mut tcp = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
    tcp.extend(Ipv6Addr::LOCALHOST.octets());
    tcp.extend(Ipv6Addr::LOCALHOST.octets());
    tcp.extend([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    assert_eq!(of(0x86dd, &tcp), format!("{ends}, IPv6 TCP [::1]:80 > [::1]:81"));
    assert_eq!(summary(&Facts::default(), &[]), "");
}
