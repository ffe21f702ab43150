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

fn pair(at: &str) -> (UdpSocket, UdpSocket) {
    let to = UdpSocket::bind(at).unwrap();
    let from = UdpSocket::bind(at).unwrap();
    from.connect(to.local_addr().unwrap()).unwrap();
    (from, to)
}

#[test]
fn each_datagram_with_its_sender_and_length_more_than_once() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let (from, to) = pair(at);
        let mut batch = Batch::default();
        for round in 0..3_u8 {
            assert_eq!(batch.receive(&to, u64::MAX).unwrap(), 0);
            for len in 1..=40 {
                from.send(&vec![round; len]).unwrap();
            }
            let mut lengths = Vec::new();
            while batch.receive(&to, u64::MAX).unwrap() > 0 {
                for (letter, bytes) in batch.letters() {
                    assert_eq!(letter.from, from.local_addr().unwrap());
                    assert_eq!((letter.kernel_ns, bytes[0]), (None, round));
                    lengths.push(bytes.len());
                }
            }
            assert_eq!(lengths, (1..=40).collect::<Vec<_>>());
        }
    }
}

#[test]
fn no_more_than_asked_for() {
    let (from, to) = pair("127.0.0.1:0");
    for _ in 0..5 {
        from.send(b"x").unwrap();
    }
    let mut batch = Batch::default();
    assert_eq!(batch.receive(&to, 2).unwrap(), 2);
    assert_eq!(batch.receive(&to, 10).unwrap(), 3);
}

#[test]
fn the_kernel_stamps_when_told() {
    let (from, to) = pair("127.0.0.1:0");
    stamp(&to).unwrap();
    let mut batch = Batch::default();
    for _ in 0..3 {
        let before = clock_realtime_ns();
        from.send(b"x").unwrap();
        assert_eq!(batch.receive(&to, 1).unwrap(), 1);
        let (letter, _) = batch.letters().next().unwrap();
        // An hour of slack: the clock may be set meanwhile.
        assert!(letter.kernel_ns.unwrap().abs_diff(before) < 3_600_000_000_000);
    }
}
