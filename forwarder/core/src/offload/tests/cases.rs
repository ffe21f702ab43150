//! Single cases: what is refused, and the edges.

use super::*;
use crate::offload::cut::copy_range;
use crate::offload::{self, VnetHeader, fit_mtu};

#[test]
fn udp_pieces_hold_no_more_datagrams_than_the_kernel_takes() {
    let (frame, layout) = example(false, true, 1000).partial();
    let len = frame.len() as u32;
    let udp = Cut::pieces(&frame, len, &layout, 4, GsoKind::UdpL4, 65_535).unwrap();
    assert_eq!((udp.count(), udp.part_len(0)), (2, Some(usize::from(layout.header_len) + 128 * 4)));
    let (frame, layout) = example(true, true, 1000).partial();
    let len = frame.len() as u32;
    let tcp = Cut::pieces(&frame, len, &layout, 4, GsoKind::Tcp6, 65_535).unwrap();
    assert_eq!(tcp.count(), 1);
}

#[test]
fn a_completed_checksum_is_never_zero() {
    for tcp in [true, false] {
        let mut spec = example(tcp, false, 2);
        spec.payload = vec![0, 0];
        let (frame, layout) = spec.partial();
        let mut sum = Sum::default();
        sum.add(&frame[usize::from(layout.l4_off)..]);
        spec.payload = sum.checksum().to_be_bytes().to_vec();
        let (mut frame, layout) = spec.partial();
        let first = segments(&frame, &layout, 2, spec.kind()).remove(0);
        assert!(checksum::complete(&mut [&mut frame[..]], &layout));
        assert_eq!(frame[layout.checksum_at()..][..2], [0xff, 0xff]);
        assert!(checksum::verify([&frame[..]], &layout));
        // A TCP segment may have zero, as the kernel's segmentation writes it.
        let expected = if tcp { [0, 0] } else { [0xff, 0xff] };
        assert_eq!(first[layout.checksum_at()..][..2], expected);
        assert!(checksum::verify([&first[..]], &layout));
    }
}

#[test]
fn an_absent_udp_checksum_stays_absent() {
    let (mut frame, layout) = example(false, false, 20).partial();
    frame[layout.checksum_at()..][..2].fill(0);
    assert!(!checksum::complete(&mut [&mut frame[..]], &layout));
    assert!(checksum::verify([&frame[..]], &layout));
}

#[test]
fn every_truncation_is_refused() {
    for (tcp, v6) in [(true, true), (true, false), (false, true), (false, false)] {
        let (frame, layout) = example(tcp, v6, 10).partial();
        for len in 0..frame.len() {
            let short = &frame[..len];
            let parsed = Layout::parse(short, layout.l3_off, layout.l4_off);
            if len < usize::from(layout.header_len) {
                assert_eq!(parsed, None, "{len}");
            } else {
                let completed =
                    checksum::complete(&mut [&mut short.to_vec()[..]], &parsed.unwrap());
                assert!(!completed);
            }
        }
    }
}

#[test]
fn what_is_no_tcp_or_udp_is_refused() {
    let (frame, layout) = example(false, false, 100).partial();
    let parse = |at: usize, value: u8, l4: u16| {
        let mut frame = frame.clone();
        frame[at] = value;
        Layout::parse(&frame, layout.l3_off, l4)
    };
    let l3 = usize::from(layout.l3_off);
    assert_eq!(parse(l3, 0x45, layout.l4_off), Some(layout));
    assert_eq!(parse(l3, 0x55, layout.l4_off), None);
    assert_eq!(parse(l3, 0x44, layout.l4_off), None);
    assert_eq!(parse(l3, 0x45, layout.l4_off + 4), None);
    assert_eq!(parse(l3 + 6, 0x20, layout.l4_off), None);
    assert_eq!(parse(l3 + 7, 0x01, layout.l4_off), None);
    assert_eq!(parse(l3 + 6, 0x40, layout.l4_off).map(|l| l.l4_len), Some(108));
    assert_eq!(parse(l3 + 9, 1, layout.l4_off), None);
    assert_eq!(parse(l3 + 24, 1, layout.l4_off), None);
    assert_eq!(parse(l3 + 25, 7, layout.l4_off), None);
    // All but the header's length is right, and all but where the next one begins.
    for (nibbles, off_by) in [(0x44, -4_i32), (0x45, 4)] {
        let l4_off = layout.l4_off.wrapping_add_signed(off_by as i16);
        let mut frame = frame.clone();
        frame[l3] = nibbles;
        frame[usize::from(l4_off) + 4..][..2].copy_from_slice(&8_u16.to_be_bytes());
        assert_eq!(Layout::parse(&frame, layout.l3_off, l4_off), None);
    }
}

#[test]
fn extension_headers_are_walked_and_replicated() {
    let (mut frame, layout) = example(true, true, 3000).partial();
    let l3 = usize::from(layout.l3_off);
    frame[l3 + 6] = 60; // destination options, with TCP behind them
    frame.splice(l3 + 40..l3 + 40, [6, 0, 1, 4, 0, 0, 0, 0]);
    let len = u16::from_be_bytes([frame[l3 + 4], frame[l3 + 5]]) + 8;
    frame[l3 + 4..l3 + 6].copy_from_slice(&len.to_be_bytes());
    assert_eq!(Layout::parse(&frame, layout.l3_off, layout.l4_off), None);
    let layout = Layout::parse(&frame, layout.l3_off, layout.l4_off + 8).unwrap();
    for segment in segments(&frame, &layout, 1000, GsoKind::Tcp6) {
        let own = Layout::parse(&segment, layout.l3_off, layout.l4_off).unwrap();
        assert_eq!(oracle(&segment).to_be_bytes(), segment[own.checksum_at()..][..2]);
    }
    frame[l3 + 6] = 44;
    let parsed = Layout::parse(&frame, layout.l3_off, layout.l4_off);
    assert_eq!(parsed, None);
}

#[test]
fn impossible_cuts_and_short_buffers_are_refused() {
    let (frame, layout) = example(true, false, 3000).partial();
    let len = frame.len() as u32;
    let new =
        |len, gso, kind| Cut::segments(&frame, len, &layout, gso, kind).map(|cut| cut.count());
    assert_eq!(new(len, 1000, GsoKind::Tcp4), Some(3));
    assert_eq!(new(len, 0, GsoKind::Tcp4), None);
    assert_eq!(new(len, 1000, GsoKind::Tcp6), None);
    assert_eq!(new(len, 1000, GsoKind::UdpL4), None);
    assert_eq!(new(65_535 + 18, 1000, GsoKind::Tcp4), Some(66));
    assert_eq!(new(65_536 + 18, 1000, GsoKind::Tcp4), None);
    assert_eq!(new(30, 1000, GsoKind::Tcp4), None);
    let short = Cut::segments(&frame[..50], len, &layout, 1000, GsoKind::Tcp4);
    assert_eq!(short.map(|cut| cut.count()), None);

    let cut = Cut::segments(&frame, len, &layout, 1000, GsoKind::Tcp4).unwrap();
    let mut out = [0; 2000];
    assert_eq!(cut.write(3, [&frame[..]], [&mut out[..]]), None);
    assert_eq!(cut.write(0, [&frame[..]], [&mut out[..1000]]), None);
    assert_eq!(cut.write(0, [&frame[..]], [&mut out[..10]]), None);
    assert_eq!(cut.write(2, [&frame[..3000]], [&mut out[..]]), None);
    assert_eq!(cut.part_len(3), None);
}

#[test]
fn vnet_headers_say_what_is_left_to_do() {
    let (_, layout) = example(true, false, 3000).partial();
    let header = VnetHeader::new(&layout, Some((GsoKind::Tcp4, 1448)), true);
    assert_eq!(header.gso_type, offload::GSO_TCPV4 | offload::GSO_ECN, "the example has CWR set");
    assert_eq!((header.flags, header.hdr_len, header.gso_size), (offload::F_NEEDS_CSUM, 58, 1448));
    assert_eq!((header.csum_start, header.csum_offset), (38, 16));
    let (_, layout) = example(false, true, 3000).partial();
    let header = VnetHeader::new(&layout, Some((GsoKind::UdpL4, 1448)), true);
    assert_eq!((header.gso_type, header.csum_offset), (offload::GSO_UDP_L4, 6));
    assert_eq!(VnetHeader::new(&layout, None, false).to_bytes(), [0; 10]);
}

#[test]
fn tcp_segments_shrink_to_the_mtu_and_datagrams_do_not() {
    let (_, tcp) = example(true, false, 3000).partial();
    assert_eq!(fit_mtu(&tcp, 1460, 1500), Some(1460));
    assert_eq!(fit_mtu(&tcp, 8960, 1500), Some(1460));
    assert_eq!(fit_mtu(&tcp, 1460, 40), None);
    assert_eq!(fit_mtu(&tcp, 1460, 10), None);
    let (_, udp) = example(false, true, 3000).partial();
    assert_eq!(fit_mtu(&udp, 1452, 1500), Some(1452));
    assert_eq!(fit_mtu(&udp, 1453, 1500), None);
}

#[test]
fn ranges_cross_chunks_and_end_with_the_frame() {
    let chunks: [&[u8]; 4] = [&[0, 1, 2], &[], &[3], &[4, 5]];
    for from in 0..=6 {
        for to in from..=6 {
            let mut out = vec![9; to - from];
            assert!(copy_range(chunks.into_iter(), from, &mut out));
            assert!(out.iter().enumerate().all(|(i, byte)| usize::from(*byte) == from + i));
        }
        assert!(!copy_range(chunks.into_iter(), from, &mut vec![0; 7 - from]));
    }
}

/// `cargo test --release -p weir-core offload -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn measure() {
    let data = vec![0x5a_u8; 1500];
    let rounds = 2_000_000_u32;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        let mut sum = Sum::default();
        sum.add(std::hint::black_box(&data));
        std::hint::black_box(sum.fold());
    }
    let ns = start.elapsed().as_nanos() as f64 / f64::from(rounds);
    println!("sum of 1500 B: {ns:.1} ns, {:.1} GB/s", 1500.0 / ns);

    let (frame, layout) = example(true, false, 60_000).partial();
    let chunks: Vec<&[u8]> = frame.chunks(3840).collect();
    let mut out = vec![0; 2000];
    let rounds = 5_000;
    let start = std::time::Instant::now();
    let mut written = 0;
    for _ in 0..rounds {
        let len = frame.len() as u32;
        let cut = Cut::segments(chunks[0], len, &layout, 1448, GsoKind::Tcp4).unwrap();
        for i in 0..cut.count() {
            written += cut.write(i, chunks.iter().copied(), [&mut out[..]]).unwrap();
        }
    }
    let ns = start.elapsed().as_nanos() as f64;
    println!("segmentation: {:.1} GB/s", written as f64 / ns);
}
