//! Frames built by hand, byte by byte, so that they can also be wrong.

pub(crate) const DST: [u8; 6] = [2, 0, 0, 0, 0, 0xd];
pub(crate) const SRC: [u8; 6] = [2, 0, 0, 0, 0, 0x5];

fn eth(tags: &[(u16, u16)], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [DST, SRC].concat();
    for (tpid, tci) in tags {
        frame.extend(tpid.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2);
    words.map(|w| u64::from(w[0]) << 8 | u64::from(*w.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// How the L4 checksum field is filled.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sum {
    Full,
    Partial,
    Zero,
}

fn checksummed(mut l4: Vec<u8>, at: usize, proto: u8, addresses: &[u8], how: Sum) -> Vec<u8> {
    let pseudo = sum(addresses) + u64::from(proto) + l4.len() as u64;
    let value = match how {
        Sum::Zero => 0,
        Sum::Partial => fold(pseudo),
        Sum::Full => match !fold(pseudo + sum(&l4)) {
            0 if proto == 17 => 0xffff,
            value => value,
        },
    };
    l4[at..at + 2].copy_from_slice(&value.to_be_bytes());
    l4
}

const V4: [u8; 8] = [10, 0, 0, 5, 10, 0, 0, 13];

fn v6_addresses() -> Vec<u8> {
    let mut both = vec![0; 32];
    both[..4].copy_from_slice(&[0xfd, 0, 0, 1]);
    both[15] = 5;
    both[16..20].copy_from_slice(&[0xfd, 0, 0, 1]);
    both[31] = 13;
    both
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + 3) as u8).collect()
}

pub(crate) fn udp(len: usize, addresses: &[u8], how: Sum) -> Vec<u8> {
    let mut l4 = vec![0x30, 0x39, 0x00, 0x35];
    l4.extend((8 + len as u16).to_be_bytes());
    l4.extend([0, 0]);
    l4.extend(payload(len));
    checksummed(l4, 6, 17, addresses, how)
}

pub(crate) fn tcp(len: usize, options: usize, addresses: &[u8], how: Sum) -> Vec<u8> {
    let mut l4 = vec![0x9c, 0x40, 0x01, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8];
    l4.extend([((5 + options / 4) << 4) as u8, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    l4.extend(std::iter::repeat_n(1, options));
    l4.extend(payload(len));
    checksummed(l4, 16, 6, addresses, how)
}

fn ipv4(proto: u8, options: usize, frag: u16, l4: &[u8]) -> Vec<u8> {
    let total = (20 + options + l4.len()) as u16;
    let mut ip = vec![0x45 + (options / 4) as u8, 0];
    ip.extend(total.to_be_bytes());
    ip.extend([0x12, 0x34]);
    ip.extend(frag.to_be_bytes());
    ip.extend([64, proto, 0, 0]);
    ip.extend(V4);
    ip.extend(std::iter::repeat_n(1, options));
    let check = !fold(sum(&ip));
    ip[10..12].copy_from_slice(&check.to_be_bytes());
    ip.extend(l4);
    ip
}

/// `extensions`: type of each and its body, whose first byte becomes the next type.
fn ipv6(extensions: &[(u8, Vec<u8>)], proto: u8, l4: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut first = proto;
    for (i, (kind, body)) in extensions.iter().enumerate() {
        if i == 0 {
            first = *kind;
        }
        let mut body = body.clone();
        body[0] = extensions.get(i + 1).map_or(proto, |(next, _)| *next);
        rest.extend(body);
    }
    rest.extend(l4);
    let mut ip = vec![0x60, 0, 0, 0];
    ip.extend((rest.len() as u16).to_be_bytes());
    ip.extend([first, 64]);
    ip.extend(v6_addresses());
    ip.extend(rest);
    ip
}

fn arp(target: u8) -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend(SRC);
    arp.extend([10, 0, 0, 5]);
    arp.extend([0; 6]);
    arp.extend([10, 0, 0, target]);
    arp
}

fn with(mut bytes: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

const IP4: u16 = 0x0800;
const IP6: u16 = 0x86dd;
const Q: (u16, u16) = (0x8100, 0x2064); // priority 1, VLAN 100
const S: (u16, u16) = (0x88a8, 0x00c8); // VLAN 200

/// The corpus: a name and a frame each. `bad-X-…` is malformed in header X.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, frame: Vec<u8>| all.push((name.to_owned(), frame));
    let v6 = &v6_addresses()[..];
    let udp4 = |len, how| ipv4(17, 0, 0, &udp(len, &V4, how));
    let tcp4 = |len, how| ipv4(6, 0, 0, &tcp(len, 12, &V4, how));
    let udp6 = |len, how| ipv6(&[], 17, &udp(len, v6, how));
    let tcp6 = |len, how| ipv6(&[], 6, &tcp(len, 12, v6, how));
    for (state, how) in [("full", Sum::Full), ("partial", Sum::Partial)] {
        for len in [0, 1, 22, 23, 65, 1472] {
            add(&format!("ipv4-udp-{state}-{len:04}"), eth(&[], IP4, &udp4(len, how)));
            add(&format!("ipv6-udp-{state}-{len:04}"), eth(&[], IP6, &udp6(len, how)));
        }
        for len in [0, 1, 100, 1447] {
            add(&format!("ipv4-tcp-{state}-{len:04}"), eth(&[], IP4, &tcp4(len, how)));
            add(&format!("ipv6-tcp-{state}-{len:04}"), eth(&[], IP6, &tcp6(len, how)));
        }
        add(&format!("vlan-ipv4-udp-{state}"), eth(&[Q], IP4, &udp4(31, how)));
        add(&format!("vlan-ipv6-tcp-{state}"), eth(&[Q], IP6, &tcp6(31, how)));
        add(&format!("qinq-ipv4-tcp-{state}"), eth(&[S, Q], IP4, &tcp4(77, how)));
        add(&format!("qinq-ipv6-udp-{state}"), eth(&[S, Q], IP6, &udp6(77, how)));
        let l4 = udp(40, &V4, how);
        add(&format!("ipv4-options-udp-{state}"), eth(&[], IP4, &ipv4(17, 8, 0, &l4)));
        add(&format!("ipv4-options-max-udp-{state}"), eth(&[], IP4, &ipv4(17, 40, 0, &l4)));
        let l4 = tcp(40, 40, v6, how);
        let hop = (0, vec![0, 0, 1, 4, 0, 0, 0, 0]);
        let long = (60, [vec![0, 2, 1, 20], vec![0; 20]].concat());
        let frame = eth(&[], IP6, &ipv6(&[hop.clone(), long.clone()], 6, &l4));
        add(&format!("ipv6-hop-dest-tcp-{state}"), frame);
        let padded = [udp4(2, how), vec![0xee; 16]].concat();
        add(&format!("ipv4-udp-padded-{state}"), eth(&[], IP4, &padded));
        let padded = [ipv4(6, 0, 0, &tcp(0, 0, &V4, how)), vec![0xee; 6]].concat();
        add(&format!("ipv4-tcp-padded-{state}"), eth(&[], IP4, &padded));
    }
    add("ipv4-udp-no-checksum", eth(&[], IP4, &udp4(20, Sum::Zero)));
    add("ipv4-udp-trailing", eth(&[], IP4, &with(udp4(20, Sum::Full), 24, &[0, 20])));
    add("ipv4-icmp", eth(&[], IP4, &ipv4(1, 0, 0, &[8, 0, 0, 0, 0, 1, 0, 1, 9])));
    add("ipv4-gre", eth(&[], IP4, &ipv4(47, 0, 0, &[0; 4])));
    add("ipv4-esp-empty", eth(&[], IP4, &ipv4(50, 0, 0, &[])));
    add("ipv4-fragment-first", eth(&[], IP4, &ipv4(17, 0, 0x2000, &udp(16, &V4, Sum::Partial))));
    add("ipv4-fragment-later", eth(&[], IP4, &ipv4(17, 0, 0x0003, &payload(16))));
    add("ipv4-fragment-tiny", eth(&[], IP4, &ipv4(6, 0, 0x2000, &payload(8))));
    add("ipv4-dont-fragment", eth(&[], IP4, &ipv4(6, 0, 0x4000, &tcp(5, 0, &V4, Sum::Full))));
    let zero_total = with(ipv4(6, 0, 0, &tcp(50, 0, &V4, Sum::Partial)), 2, &[0, 0]);
    add("ipv4-tcp-length-0", eth(&[], IP4, &zero_total));
    add("ipv6-icmp", eth(&[], IP6, &ipv6(&[], 58, &[128, 0, 0, 0, 0, 1, 0, 1])));
    add("ipv6-none", eth(&[], IP6, &ipv6(&[], 59, &[])));
    add("ipv6-esp", eth(&[], IP6, &ipv6(&[], 50, &payload(20))));
    let routing = (43, vec![0; 24]);
    let mut routing = routing;
    routing.1[1] = 2;
    let auth = (51, [vec![0, 4], vec![0; 22]].concat());
    let l4 = udp(9, v6, Sum::Partial);
    add("ipv6-routing-auth-udp", eth(&[], IP6, &ipv6(&[routing, auth], 17, &l4)));
    let fragment = |word: u16| {
        let mut body = vec![0, 0];
        body.extend(word.to_be_bytes());
        body.extend([0, 0, 0, 9]);
        (44, body)
    };
    add("ipv6-fragment-first", eth(&[], IP6, &ipv6(&[fragment(1)], 17, &l4)));
    add("ipv6-fragment-later", eth(&[], IP6, &ipv6(&[fragment(16)], 17, &payload(8))));
    add("ipv6-fragment-atomic", eth(&[], IP6, &ipv6(&[fragment(0)], 17, &l4)));
    let dest = (60, vec![0, 0, 1, 4, 0, 0, 0, 0]);
    let many = |n| std::iter::repeat_n(dest.clone(), n).collect::<Vec<_>>();
    add("ipv6-extensions-8", eth(&[], IP6, &ipv6(&many(8), 17, &l4)));
    add("ipv6-extensions-9", eth(&[], IP6, &ipv6(&many(9), 17, &l4)));
    let zero_payload = with(ipv6(&[], 6, &tcp(50, 0, v6, Sum::Partial)), 4, &[0, 0]);
    add("ipv6-tcp-length-0", eth(&[], IP6, &zero_payload));
    add("arp-request", eth(&[], 0x0806, &arp(13)));
    add("arp-broadcast", with(eth(&[], 0x0806, &[arp(13), vec![0; 18]].concat()), 0, &[0xff; 6]));
    add("arp-vlan", eth(&[Q], 0x0806, &arp(13)));
    add(
        "arp-other-hardware",
        eth(&[], 0x0806, &[&[0, 32, 8, 0, 20, 4, 0, 1][..], &[0; 48]].concat()),
    );
    add("other-lldp", with(eth(&[], 0x88cc, &payload(50)), 0, &[1, 0x80, 0xc2, 0, 0, 0xe]));
    add("other-llc", eth(&[], 40, &payload(46)));
    add("other-bare", eth(&[], 0x88b5, &[]));
    add("other-three-tags", eth(&[S, Q, Q], IP4, &udp4(20, Sum::Full)));
    add("vlan-priority", eth(&[(0x8100, 0xe000)], IP4, &udp4(20, Sum::Full)));

    add("bad-runt-0", vec![]);
    add("bad-runt-13", eth(&[], IP4, &[])[..13].to_vec());
    add("bad-vlan-cut", eth(&[], 0x8100, &[0, 1, 8]));
    add("bad-vlan-second-cut", eth(&[S], 0x8100, &[0, 1, 8]));
    let good = udp4(20, Sum::Full);
    add("bad-ipv4-none", eth(&[], IP4, &[]));
    add("bad-ipv4-cut", eth(&[], IP4, &good[..19]));
    add("bad-ipv4-version", eth(&[], IP4, &with(good.clone(), 0, &[0x65])));
    add("bad-ipv4-ihl-4", eth(&[], IP4, &with(good.clone(), 0, &[0x44])));
    add("bad-ipv4-ihl-15-beyond", eth(&[], IP4, &with(good.clone(), 0, &[0x4f])));
    add("bad-ipv4-total-small", eth(&[], IP4, &with(good.clone(), 2, &[0, 19])));
    add("bad-ipv4-total-beyond", eth(&[], IP4, &with(good.clone(), 2, &[0, 49])));
    let good = udp6(20, Sum::Full);
    add("bad-ipv6-cut", eth(&[], IP6, &good[..39]));
    add("bad-ipv6-version", eth(&[], IP6, &with(good.clone(), 0, &[0x40])));
    add("bad-ipv6-length-beyond", eth(&[], IP6, &with(good.clone(), 4, &[0, 29])));
    add("bad-ipv6-extension-none", eth(&[], IP6, &ipv6(&[], 0, &[])));
    add("bad-ipv6-extension-cut", eth(&[], IP6, &ipv6(&[], 60, &[17, 0, 0, 0])));
    add("bad-ipv6-extension-beyond", eth(&[], IP6, &ipv6(&[], 60, &[17, 1, 0, 0, 0, 0, 0, 0])));
    add("bad-ipv6-fragment-cut", eth(&[], IP6, &ipv6(&[], 44, &[17, 0, 0, 0])));
    add("bad-udp-cut", eth(&[], IP4, &ipv4(17, 0, 0, &[0; 7])));
    add("bad-udp-length-7", eth(&[], IP4, &with(udp4(20, Sum::Full), 24, &[0, 7])));
    add("bad-udp-length-beyond", eth(&[], IP6, &with(udp6(20, Sum::Full), 44, &[0, 29])));
    add("bad-tcp-cut", eth(&[], IP4, &ipv4(6, 0, 0, &[0; 19])));
    add("bad-tcp-offset-4", eth(&[], IP4, &with(tcp4(20, Sum::Full), 32, &[0x40])));
    add("bad-tcp-offset-beyond", eth(&[], IP6, &with(tcp6(1, Sum::Full), 52, &[0xf0])));
    add(
        "bad-tcp-in-padding",
        eth(&[], IP4, &[ipv4(6, 0, 0, &[0x50; 10]), vec![0x50; 20]].concat()),
    );
    add("bad-icmp-cut", eth(&[], IP4, &ipv4(1, 0, 0, &[8, 0, 0, 0])));
    add("bad-arp-cut", eth(&[], 0x0806, &arp(13)[..27]));
    add("bad-arp-hardware-length", eth(&[], 0x0806, &with(arp(13), 4, &[5])));
    add("bad-arp-protocol-length", eth(&[], 0x0806, &with(arp(13), 5, &[16])));
    all
}
