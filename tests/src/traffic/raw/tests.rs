use super::{checksum, frame, udp};

#[test]
fn tags_stand_between_addresses_and_type() {
    let frame = frame([1; 6], [2; 6], &[(0x88a8, 7), (0x8100, 9)], 0x0800, b"x");
    assert_eq!(frame[12..22], [0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 8, 0]);
    assert_eq!(frame.len(), 60);
}

#[test]
fn the_checksum_is_the_internets() {
    // RFC 1071's own example.
    assert_eq!(checksum(&[&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
}

#[test]
fn udp_is_right_over_either_family() {
    let (v4, packet) =
        udp("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap(), (7, 9), b"odd").unwrap();
    assert_eq!((v4, packet.len()), (0x0800, 20 + 8 + 3));
    // What is summed with its own checksum comes to nothing.
    assert_eq!(checksum(&[&packet[..20]]), 0);
    assert_eq!(checksum(&[&packet[12..20], &[0, 17, 0, 11], &packet[20..]]), 0);
    let (v6, packet) =
        udp("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap(), (7, 9), b"odd").unwrap();
    assert_eq!((v6, packet.len()), (0x86dd, 40 + 8 + 3));
    assert_eq!(checksum(&[&packet[8..40], &[0, 17, 0, 11], &packet[40..]]), 0);
    assert!(udp("10.0.0.1".parse().unwrap(), "fd00::2".parse().unwrap(), (7, 9), b"").is_err());
}
