use super::*;

fn event(tag: u64, captured: u32) -> Event {
    Event {
        at_ns: tag,
        step: Step::Sent(PortId(1)),
        ingress_ns: 0,
        ingress: PortId(0),
        mark: 0,
        len: 9000,
        captured,
        facts: Facts::default(),
    }
}

#[test]
fn events_come_out_with_their_bytes_in_order() {
    let (mut writer, mut reader) = ring(4096);
    let mut bytes = Vec::new();
    for tag in 0..1000_u64 {
        let body = vec![tag as u8; (tag * 37 % 900) as usize];
        let (one, two) = body.split_at(body.len() / 3);
        // Only some of the bytes are wanted.
        let wanted = body.len().saturating_sub(5);
        writer.put(event(tag, wanted as u32), [one, two].into_iter());
        let read = reader.next(&mut bytes).unwrap();
        assert_eq!((read.at_ns, read.captured as usize), (tag, wanted));
        assert_eq!(bytes, body[..wanted]);
    }
    assert!(reader.next(&mut bytes).is_none());
    assert_eq!(reader.missed(), 0);
}

#[test]
fn what_finds_no_room_is_counted_and_nothing_is_torn() {
    let (mut writer, mut reader) = ring(4096);
    for tag in 0..10 {
        writer.put(event(tag, 1000), [&[tag as u8; 1000][..]].into_iter());
    }
    assert_eq!((reader.missed(), reader.missed_at(PortId(1))), (6, 6));
    assert_eq!(reader.missed_at(PortId(0)), 0);
    // Small events still fit.
    writer.put(event(99, 90), [&[99; 90][..]].into_iter());
    let mut bytes = Vec::new();
    let tags: Vec<u64> = std::iter::from_fn(|| {
        let event = reader.next(&mut bytes)?;
        assert!(bytes.iter().all(|byte| u64::from(*byte) == event.at_ns));
        Some(event.at_ns)
    })
    .collect();
    assert_eq!(tags, [0, 1, 2, 3, 99]);
    // Events without bytes are bounded, too.
    for tag in 0..100 {
        writer.put(event(tag, 0), std::iter::empty());
    }
    assert_eq!(std::iter::from_fn(|| reader.next(&mut bytes)).count(), 4096 / BYTES_PER_EVENT);
    assert_eq!(reader.missed(), 6 + 100 - 32);
}

#[test]
fn a_chain_that_is_shorter_than_it_says_is_told_as_it_is() {
    let (mut writer, mut reader) = ring(4096);
    writer.put(event(1, 100), [&[1; 40][..]].into_iter());
    let mut bytes = Vec::new();
    assert_eq!(reader.next(&mut bytes).unwrap().captured, 40);
    assert_eq!(bytes, [1; 40]);
}

#[test]
fn two_threads_lose_nothing_uncounted() {
    let (mut writer, mut reader) = ring(8192);
    let sent = 20_000_u64;
    let thread = std::thread::spawn(move || {
        for tag in 0..sent {
            writer.put(event(tag, 64), [&[tag as u8; 64][..]].into_iter());
        }
    });
    let (mut bytes, mut read, mut last) = (Vec::new(), 0, None);
    loop {
        let ended = thread.is_finished();
        while let Some(event) = reader.next(&mut bytes) {
            assert!(last < Some(event.at_ns), "out of order");
            assert_eq!(bytes, [event.at_ns as u8; 64]);
            last = Some(event.at_ns);
            read += 1;
        }
        if ended {
            break;
        }
    }
    thread.join().unwrap();
    assert_eq!(read + reader.missed(), sent);
}
