use super::*;

#[test]
fn a_full_buffer_is_told() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(dropped(&socket), Some(0));
    setsockopt(&socket, sockopt::RcvBuf, &4096).unwrap();
    let from = sender(socket.local_addr().unwrap(), None).unwrap();
    for _ in 0..1000 {
        from.send(&[0; 1000]).unwrap();
    }
    let mut got = 0;
    while wait(&socket, PollFlags::POLLIN, Duration::ZERO).unwrap() {
        socket.recv(&mut [0; 1000]).unwrap();
        got += 1;
    }
    assert!(got > 0);
    assert_eq!(dropped(&socket), Some(1000 - got));
}

#[test]
fn sessions_differ_on_one_host() {
    let (one, other) = (session(), session());
    assert!(one != other && one.host() == other.host() && one.host() != 0);
}

#[test]
fn a_core_that_is_not_there_is_named() {
    let error = ready_thread(Some(100_000)).unwrap_err().to_string();
    assert!(error.contains("no core 100000") && error.contains("valid:"), "{error}");
}
