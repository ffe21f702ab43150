use super::*;

fn addresses(src: &str, dst: &str) -> Addresses {
    let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
    Addresses {
        src_mac: Mac::new([2, 0, 0, 0, 0, 1]),
        dst_mac: Mac::new([2, 0, 0, 0, 0, 2]),
        src,
        dst,
    }
}

/// Over the data that it covers, a right checksum gives 0.
fn verify(frame: &[u8], ip: usize, addresses: std::ops::Range<usize>, size: usize) {
    let udp = &frame[ip..ip + UDP_HEADER + size];
    let length = ((UDP_HEADER + size) as u16).to_be_bytes();
    assert_eq!(checksum(&[&frame[addresses], &[0, UDP_PROTOCOL], &length, udp]), 0);
}

#[test]
fn both_families_are_right_and_found_by_their_ports() {
    for size in [0, 1, 22, 64, 1400] {
        let frame = build(&addresses("10.0.0.1", "10.0.0.2:9"), size).unwrap();
        assert_eq!(frame.len(), (42 + size).max(60));
        assert_eq!(checksum(&[&frame[14..34]]), 0);
        verify(&frame, 34, 26..34, size);
        let (at, bytes) = patterns(9)[0];
        assert_eq!(frame[usize::from(at)..][..4], bytes);
        let frame = build(&addresses("fd00::1", "[fd00::2]:9"), size).unwrap();
        assert_eq!(frame.len(), 62 + size);
        verify(&frame, 54, 22..54, size);
        let (at, bytes) = patterns(9)[1];
        assert_eq!(frame[usize::from(at)..][..4], bytes);
    }
}

#[test]
fn families_are_not_mixed() {
    let error = build(&addresses("10.0.0.1", "[fd00::2]:9"), 64).unwrap_err().to_string();
    assert!(error.contains("one family"), "{error}");
}

#[test]
fn tags_stand_between_addresses_and_type() {
    let frame = ethernet([1; 6], [2; 6], &[(0x88a8, 7), (0x8100, 9)], 0x0800, b"x");
    assert_eq!(frame[12..22], [0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 8, 0]);
    assert_eq!(frame.len(), 60);
}

#[test]
fn the_checksum_is_the_internets() {
    // RFC 1071's own example.
    assert_eq!(checksum(&[&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
}
