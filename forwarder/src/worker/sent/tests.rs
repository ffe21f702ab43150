use super::*;

fn push(log: &mut SentLog, ingress_ns: u64, sent_ns: u64) {
    let sent = Sent { ingress_ns, flow: 0, len_mark: 60 };
    log.add(sent, Times { ingress: PortId(0), taken_ns: 0, released_ns: 0, sent_ns });
}

/// When the settled packets were sent, and when they arrived.
fn settled(log: &mut SentLog, waiting: usize) -> Vec<(u64, Vec<u64>)> {
    let mut all = Vec::new();
    log.settle(waiting, |times, packets| {
        all.push((times.sent_ns, packets.iter().map(|sent| sent.ingress_ns).collect()));
    });
    all
}

#[test]
fn in_order_by_batch_and_without_those_that_wait() {
    let mut log = SentLog::new();
    for n in 0..10 {
        push(&mut log, n, n / 4);
    }
    assert_eq!(settled(&mut log, 4), [(0, vec![0, 1, 2, 3]), (1, vec![4, 5])]);
    push(&mut log, 10, 2);
    assert!(settled(&mut log, 5).is_empty() && settled(&mut log, 100).is_empty());
    assert_eq!(settled(&mut log, 1), [(1, vec![6, 7]), (2, vec![8, 9])]);
    assert_eq!(settled(&mut log, 0), [(2, vec![10])]);
    assert!(settled(&mut log, 0).is_empty() && log.is_empty());
}

#[test]
fn what_is_taken_back_is_not_settled() {
    let mut log = SentLog::new();
    for (ingress_ns, sent_ns) in [(1, 0), (2, 0), (3, 1)] {
        push(&mut log, ingress_ns, sent_ns);
    }
    log.take_back();
    push(&mut log, 4, 0);
    log.take_back();
    push(&mut log, 5, 2);
    assert_eq!(settled(&mut log, 0), [(0, vec![1, 2]), (2, vec![5])]);
    push(&mut log, 6, 0);
    log.take_back();
    assert!(log.is_empty() && settled(&mut log, 0).is_empty());
}

#[test]
fn it_never_grows_while_a_ring_is_settled_in_time() {
    let mut log = SentLog::new();
    let (room, mut next) = (log.packets.capacity(), 0);
    for waiting in [ROOM / 2, ROOM / 2, 1, ROOM / 2 - 1, ROOM / 2] {
        while !log.is_full() {
            push(&mut log, next, next);
            next += 1;
        }
        settled(&mut log, waiting);
        assert!(!log.is_full());
    }
    assert_eq!(settled(&mut log, 0).last(), Some(&(next - 1, vec![next - 1])));
    assert_eq!((log.packets.capacity(), log.batches.capacity()), (room, room));
}

#[test]
fn a_length_and_a_mark_share_a_word() {
    let sent = Sent { ingress_ns: 0, flow: 0, len_mark: 65_550 | 255 << LEN_BITS };
    assert_eq!((sent.len(), sent.mark()), (65_550, 255));
}
