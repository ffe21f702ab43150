use std::os::fd::AsFd as _;

use super::*;

#[test]
fn the_clock_goes_forward() {
    let before = clock_monotonic_ns();
    assert!(clock_monotonic_ns() >= before && before > 0);
}

#[test]
fn names_that_no_interface_can_have_are_refused() {
    assert!(interface_request("fifteen-letters").is_ok());
    assert!(interface_request("sixteen-letters!").is_err());
    assert!(interface_request("a\0b").is_err());
}

#[test]
fn the_loopback_device_has_an_index() {
    let lo = interface_index("lo").unwrap();
    let socket = any_socket().unwrap();
    let flags = interface_flags(socket.as_fd(), lo).unwrap();
    assert!(flags & libc::IFF_LOOPBACK != 0, "{flags:x}");
    assert!(interface_flags(socket.as_fd(), u32::MAX).is_err());
    assert!(interface_index("no-such-device").is_err());
}
