//! The parser against etherparse, and against every truncation of everything.

mod frames;

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice, VlanId};
use proptest::prelude::*;
use weir_abi::{Bytes, Counter, Head, Malformed, Verdict, classify, meta_flags as f};

#[expect(clippy::unwrap_used, reason = "constants below 4096")]
fn vlan(id: u16) -> VlanId {
    VlanId::try_new(id).unwrap()
}

fn build(tags: u8, v6: bool, tcp: bool, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let link = PacketBuilder::ethernet2(frames::SRC, frames::DST);
    let mut frame = Vec::new();
    macro_rules! finish {
        ($ip:expr) => {{
            let ip = $ip;
            let ip = if v6 {
                ip.ipv6([0xfd; 16], [0xfe; 16], 64)
            } else {
                ip.ipv4([10, 1, 2, 3], [10, 4, 5, 6], 64)
            };
            if tcp {
                ip.tcp(ports.0, ports.1, 77, 1000).write(&mut frame, payload).unwrap();
            } else {
                ip.udp(ports.0, ports.1).write(&mut frame, payload).unwrap();
            }
        }};
    }
    match tags {
        0 => finish!(link),
        1 => finish!(link.single_vlan(vlan(100))),
        _ => finish!(link.double_vlan(vlan(200), vlan(100))),
    }
    frame
}

/// What must hold of any answer.
fn sound(frame: &[u8], v: &Verdict) {
    let end = v.l4_off as usize + v.l4_len as usize;
    if v.l4_off != 0 {
        assert!(end <= frame.len() && v.l3_off < v.l4_off, "{v:?}");
    }
    assert!(v.csum_len <= v.l4_len, "{v:?}");
    if v.csum_len != 0 {
        assert!((v.csum_off() as usize) + 2 <= end && v.pseudo != 0, "{v:?}");
        assert_eq!(frame.be16(v.csum_off() as usize), Some(v.csum));
    }
    let l3 = [f::IPV4, f::IPV6, f::ARP, f::OTHER].iter().filter(|bit| v.flags & **bit != 0).count();
    let l4 = [f::TCP, f::UDP, f::ICMP, f::FRAGMENT].iter().filter(|b| v.flags & **b != 0).count();
    assert!(l3 == 1 && l4 <= 1, "{v:?}");
    assert_eq!(v.is(f::OTHER), v.l3_off == 0, "{v:?}");
}

proptest! {
    #[test]
    fn agrees_with_etherparse(
        tags in 0u8..3, v6: bool, tcp: bool, ports: (u16, u16),
        payload in prop::collection::vec(any::<u8>(), 0..1400),
    ) {
        let frame = build(tags, v6, tcp, ports, &payload);
        let v = classify(&frame[..]).unwrap();
        sound(&frame, &v);
        let parsed = SlicedPacket::from_ethernet(&frame).unwrap();
        let (flag, l4) = match parsed.transport.unwrap() {
            TransportSlice::Tcp(tcp) => (f::TCP, tcp.slice().as_ptr()),
            TransportSlice::Udp(udp) => (f::UDP, udp.slice().as_ptr()),
            other => panic!("{other:?}"),
        };
        let version = if v6 { f::IPV6 } else { f::IPV4 };
        prop_assert!(v.is(flag | version));
        prop_assert_eq!(v.l4_off as usize, l4 as usize - frame.as_ptr() as usize);
        prop_assert_eq!(v.l4_len as usize, frame.len() - v.l4_off as usize);
        prop_assert_eq!(v.vlan, [0, 100, 200][tags as usize]);
        prop_assert_eq!((v.is(f::TAGGED), v.is(f::TAGGED2)), (tags > 0, tags > 1));
        prop_assert_eq!((v.dst, v.src), (frames::DST, frames::SRC));
        // The checksum etherparse computed is one of both sums that `pseudo` completes to.
        let mut sum = u64::from(v.pseudo);
        for pair in frame[v.l4_off as usize..].chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        }
        prop_assert_eq!(weir_abi::fold(sum), 0xffff);
    }

    #[test]
    fn any_bytes_are_malformed_or_sound(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(v) = classify(&bytes[..]) {
            sound(&bytes, &v);
        }
    }

    #[test]
    fn damaged_frames_are_malformed_or_sound(
        which: prop::sample::Index, at: prop::sample::Index, value: u8,
    ) {
        let all = frames::all();
        let mut frame = all[which.index(all.len())].1.clone();
        if !frame.is_empty() {
            let at = at.index(frame.len().min(100));
            frame[at] = value;
        }
        if let Ok(v) = classify(&frame[..]) {
            sound(&frame, &v);
        }
    }

    #[test]
    fn flows_differ_and_stay(v6: bool, tcp: bool, a: (u16, u16), b: (u16, u16), other in 0usize..90) {
        let hash = |ports, len| classify(&build(0, v6, tcp, ports, &vec![9; len])[..]).unwrap().flow_hash;
        prop_assert_eq!(hash(a, 10), hash(a, other));
        prop_assert!(a == b || hash(a, 10) != hash(b, 10));
    }
}

#[test]
fn every_truncation_is_malformed_or_sound() {
    for (name, frame) in frames::all() {
        for len in 0..frame.len() {
            match classify(&frame[..len]) {
                Ok(v) => sound(&frame[..len], &v),
                Err(Malformed::Runt) => assert!(len < 14, "{name} {len}"),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn headers_beyond_the_first_buffer_are_malformed_not_a_panic() {
    for (name, frame) in frames::all() {
        let whole = classify(&frame[..]);
        for len in 0..frame.len().min(200) {
            let head = Head { linear: &frame[..len], len: frame.len() };
            if let Ok(v) = classify(&head) {
                assert_eq!(Ok(v), whole, "{name} {len}: what can be read says all there is");
            }
        }
    }
}

#[test]
fn a_frame_that_loses_its_end_is_malformed() {
    for (v6, tcp) in [(false, false), (false, true), (true, false), (true, true)] {
        let frame = build(1, v6, tcp, (1, 2), &[7; 30]);
        for len in 0..frame.len() {
            assert!(classify(&frame[..len]).is_err(), "v6 {v6} tcp {tcp} {len}");
        }
    }
}

#[test]
fn superframes_have_the_length_of_the_frame() {
    let frame = build(0, false, true, (1, 2), &vec![7; 1000]);
    let mut big = frame.clone();
    big[16..18].copy_from_slice(&[0, 0]);
    let v = classify(&Head { linear: &big, len: 70_000 }).unwrap();
    assert_eq!(v.l4_len, 70_000 - 34);
    assert_eq!(v.csum_len, 70_000 - 34);
}

#[test]
fn counters_describe_themselves() {
    let names: std::collections::BTreeSet<_> = Counter::all().map(Counter::name).collect();
    assert_eq!(names.len(), Counter::COUNT);
    assert!(Counter::all().all(|c| c.describe().ends_with('.')));
}
