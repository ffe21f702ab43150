use super::super::testing::{container, enqueue, next, turns};
use super::*;
use crate::{Rate, Scheduler, Share};

#[test]
fn in_order_of_arrival_whatever_is_promised() {
    let mut fifo = Scheduler::Fifo(Box::default());
    fifo.set_share(0, PortId(2), &Share { weight: 1000, ..Share::default() });
    for vif in [1, 1, 1, 2, 3, 1] {
        enqueue(&mut fifo, 0, vif, &[4000]);
    }
    assert!(!fifo.is_empty());
    assert_eq!(turns(&mut fifo, 0), [1, 1, 1, 2, 3, 1]);
    assert!(fifo.is_empty());
}

#[test]
fn joins_only_who_came_last() {
    let mut fifo = Scheduler::Fifo(Box::default());
    for (vif, joins) in [(1, false), (1, true), (2, false), (1, false)] {
        assert_eq!(fifo.enqueue(0, container(vif, &[100]), true).is_some(), joins);
    }
    assert_eq!(next(&mut fifo, 0), Some((1, 2)));
    assert!(fifo.take(PortId(2)).is_some() && fifo.take(PortId(2)).is_none());
    assert_eq!(next(&mut fifo, 0), Some((1, 1)));
}

#[test]
fn keeps_the_rate_and_the_order_of_what_comes_back() {
    let mut fifo = Scheduler::Fifo(Box::default());
    fifo.set_link_rate(0, Some(Rate::new(8_000_000)));
    enqueue(&mut fifo, 0, 1, &[1000, 1000]);
    enqueue(&mut fifo, 0, 2, &[1000]);
    let Next::Container(mut c) = fifo.next(0) else { panic!("empty") };
    c.pop();
    fifo.put_back(0, c);
    assert!(matches!(fifo.next(0), Next::NotBefore(1_000_000)), "one of them went");
    assert_eq!(next(&mut fifo, 1_000_000), Some((1, 1)));
    assert_eq!(next(&mut fifo, 2_000_000), Some((2, 1)));
    assert!(matches!(fifo.next(2_000_000), Next::Empty));
}
