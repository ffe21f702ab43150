use super::super::testing::{container, next};
use super::*;
use crate::Scheduler;

#[test]
fn takes_turns() {
    let mut rr = Scheduler::Handover(Box::default());
    for vif in [3, 200, 3, 0, 3] {
        assert!(rr.enqueue(0, container(vif, &[4000]), true).is_none());
    }
    assert!(!rr.is_empty());
    let order: Vec<_> = std::iter::from_fn(|| next(&mut rr, 0)).map(|(vif, _)| vif).collect();
    assert_eq!(order, [0, 3, 200, 3, 3]);
    assert!(rr.is_empty());
}

#[test]
fn joins_what_fits_at_the_tail() {
    let mut rr = Scheduler::Handover(Box::default());
    assert!(rr.enqueue(0, container(1, &[100]), true).is_none());
    let empty = rr.enqueue(0, container(1, &[100, 100]), true).unwrap();
    assert!(empty.is_empty());
    assert!(rr.enqueue(0, container(1, &[4000]), true).is_none());
    assert_eq!(next(&mut rr, 0), Some((1, 3)));
    assert_eq!(next(&mut rr, 0), Some((1, 1)));
    assert_eq!(next(&mut rr, 0), None);
}

#[test]
fn a_container_put_back_keeps_its_turn() {
    let mut rr = Scheduler::Handover(Box::default());
    for vif in [1, 2, 1] {
        assert!(rr.enqueue(0, container(vif, &[3000, 1000]), true).is_none());
    }
    let Next::Container(mut c) = rr.next(0) else { panic!("empty") };
    assert_eq!(c.ingress(), PortId(1));
    c.pop();
    rr.put_back(0, c);
    assert_eq!(next(&mut rr, 0), Some((1, 1)));
    assert_eq!(next(&mut rr, 0), Some((2, 2)));
    assert_eq!(next(&mut rr, 0), Some((1, 2)));
}

#[test]
fn one_vif_can_be_taken_out() {
    let mut rr = Scheduler::Handover(Box::default());
    for vif in [1, 2, 1] {
        assert!(rr.enqueue(0, container(vif, &[4000]), true).is_none());
    }
    assert!(rr.take(PortId(1)).is_some() && rr.take(PortId(1)).is_some());
    assert!(rr.take(PortId(1)).is_none());
    assert!(!rr.is_empty());
    assert_eq!(rr.drain().map(|c| c.ingress()), Some(PortId(2)));
    assert!(rr.drain().is_none());
}
