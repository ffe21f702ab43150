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

/// Over what it was made of, a right checksum gives 0.
fn verify(frame: &[u8], ip: usize, addresses: std::ops::Range<usize>, size: usize) {
    let udp = &frame[ip..ip + UDP + size];
    let length = ((UDP + size) as u16).to_be_bytes();
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
