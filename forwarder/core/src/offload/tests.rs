//! Compares with etherparse, which shares no code with weir: random frames, tags, sizes and splits.

mod cases;
mod properties;

use super::{Cut, GsoKind, Layout, Sum, checksum};
use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Spec {
    v6: bool,
    tcp: bool,
    tags: usize,
    /// TCP option bytes, or IPv4 ones for UDP: a multiple of 4.
    options: usize,
    payload: Vec<u8>,
    id: u16,
    seq: u32,
    flags: u8,
    addresses: [u8; 32],
}

fn spec(payload: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Spec> {
    let shape = (any::<bool>(), any::<bool>(), 0..3_usize, 0..=10_usize);
    let numbers = (any::<u16>(), any::<u32>(), any::<u8>(), any::<[u8; 32]>());
    (shape, payload, numbers).prop_map(|(shape, payload, numbers)| {
        let (v6, tcp, tags, options) = shape;
        let (id, seq, flags, addresses) = numbers;
        Spec { v6, tcp, tags, options: options * 4, payload, id, seq, flags, addresses }
    })
}

fn bytes(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), len)
}

impl Spec {
    fn l3(&self) -> usize {
        14 + 4 * self.tags
    }

    /// The frame with a correct checksum, as etherparse makes it, and its layout.
    fn right(&self) -> (Vec<u8>, Layout) {
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let (src, dst) = self.addresses.split_at(16);
        let mut frame = Vec::new();
        let builder = if self.v6 {
            builder.ipv6(src.try_into().unwrap(), dst.try_into().unwrap(), 64)
        } else {
            builder.ipv4(src[..4].try_into().unwrap(), dst[..4].try_into().unwrap(), 64)
        };
        if self.tcp {
            let options = vec![1; self.options];
            let builder = builder.tcp(1000, 2000, self.seq, 77).options_raw(&options).unwrap();
            builder.write(&mut frame, &self.payload).unwrap();
        } else {
            builder.udp(1000, 2000).write(&mut frame, &self.payload).unwrap();
        }
        let mut l4 = if self.v6 { 54 } else { 34 };
        if !self.v6 {
            frame[18..20].copy_from_slice(&self.id.to_be_bytes());
            if !self.tcp && self.options > 0 {
                let total = u16::from_be_bytes([frame[16], frame[17]]) + self.options as u16;
                frame[14] = 0x40 | ((20 + self.options) / 4) as u8;
                frame[16..18].copy_from_slice(&total.to_be_bytes());
                frame.splice(34..34, vec![1; self.options]);
                l4 += self.options;
            }
            frame[24..26].fill(0);
            let mut sum = Sum::default();
            sum.add(&frame[14..l4.min(14 + 20 + if self.tcp { 0 } else { self.options })]);
            frame[24..26].copy_from_slice(&sum.checksum().to_be_bytes());
        }
        if self.tcp {
            frame[l4 + 13] = self.flags;
        }
        for tag in 0..self.tags {
            frame.splice(12..12, [0x81, 0x00, 0x20, tag as u8 + 1]);
        }
        l4 += 4 * self.tags;
        let layout = Layout::parse(&frame, self.l3() as u16, l4 as u16).unwrap();
        // Both zeros mean the same; a sender that completes a frame writes this one.
        let right = match oracle(&frame) {
            0 => 0xffff,
            right => right,
        };
        let at = layout.checksum_at();
        frame[at..at + 2].copy_from_slice(&right.to_be_bytes());
        (frame, layout)
    }

    fn partial(&self) -> (Vec<u8>, Layout) {
        let (mut frame, layout) = self.right();
        checksum::make_partial(&mut frame, &layout, layout.l4_len).unwrap();
        (frame, layout)
    }

    fn kind(&self) -> GsoKind {
        match (self.tcp, self.v6) {
            (false, _) => GsoKind::UdpL4,
            (true, false) => GsoKind::Tcp4,
            (true, true) => GsoKind::Tcp6,
        }
    }
}

fn example(tcp: bool, v6: bool, len: usize) -> Spec {
    let payload = (0..len).map(|i| i as u8).collect();
    let (id, seq) = (0xffff, u32::MAX - 100);
    let addresses = [7; 32];
    Spec { v6, tcp, tags: 1, options: 0, payload, id, seq, flags: 0x99, addresses }
}

/// The checksum that etherparse computes for the frame.
fn oracle(frame: &[u8]) -> u16 {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    let ip = sliced.net.unwrap();
    let v4 = ip.ipv4_ref().map(|v4| v4.header());
    let v6 = ip.ipv6_ref().map(|v6| v6.header());
    match sliced.transport.unwrap() {
        TransportSlice::Tcp(tcp) => match (v4, v6) {
            (Some(v4), _) => tcp.calc_checksum_ipv4(v4.source(), v4.destination()),
            (_, Some(v6)) => tcp.calc_checksum_ipv6(v6.source(), v6.destination()),
            _ => unreachable!(),
        }
        .unwrap(),
        TransportSlice::Udp(udp) => {
            let header = udp.to_header();
            match (v4, v6) {
                (Some(v4), _) => {
                    header.calc_checksum_ipv4_raw(v4.source(), v4.destination(), udp.payload())
                }
                (_, Some(v6)) => {
                    header.calc_checksum_ipv6_raw(v6.source(), v6.destination(), udp.payload())
                }
                _ => unreachable!(),
            }
            .unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// Cuts the frame into chunks at random places, with all headers in the first.
fn split<'a>(frame: &'a [u8], header_len: usize, cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> =
        cuts.iter().map(|cut| header_len + cut.index(frame.len() - header_len + 1)).collect();
    at.sort_unstable();
    let mut chunks = Vec::new();
    let mut from = 0;
    for to in at.into_iter().chain([frame.len()]) {
        chunks.push(&frame[from..to]);
        from = to;
    }
    chunks
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    proptest::collection::vec(any::<prop::sample::Index>(), 0..6)
}

fn segments(frame: &[u8], layout: &Layout, gso: u16, kind: GsoKind) -> Vec<Vec<u8>> {
    let cut = Cut::segments(frame, frame.len() as u32, layout, gso, kind).unwrap();
    (0..cut.count())
        .map(|i| {
            let mut out = vec![0xee; cut.part_len(i).unwrap()];
            assert_eq!(cut.write(i, [frame], [&mut out[..]]), Some(out.len()));
            out
        })
        .collect()
}
