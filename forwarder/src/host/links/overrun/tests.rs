use super::*;

#[test]
fn what_is_empty_is_left_at_once() {
    let mut left = 3;
    empty(1 << 20, || {
        left -= 1;
        if left < 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(100) }
    })
    .unwrap();
    assert_eq!(left, -1);
}

#[test]
fn a_flood_ends_after_a_buffer_of_it() {
    let mut taken = 0;
    empty(10_000, || {
        taken += 1;
        if taken % 3 == 0 { Err(io::Error::from_raw_os_error(libc::ENOBUFS)) } else { Ok(100) }
    })
    .unwrap();
    assert!((100..=200).contains(&taken), "{taken}");
    // Even with empty datagrams.
    empty(10_000, || Ok(0)).unwrap();
    empty(10_000, || Err(io::Error::from_raw_os_error(libc::EINTR))).unwrap();
}

#[test]
fn a_socket_that_is_broken_is_not_empty() {
    assert!(empty(100, || Err(io::ErrorKind::NotConnected.into())).is_err());
}
