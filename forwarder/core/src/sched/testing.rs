//! Helpers that the policies' own tests share.

use super::{Next, Scheduler};
use crate::{Container, Packet, PortId};

#[derive(Debug)]
pub(super) struct Sized(pub(super) u32);

impl Packet for Sized {
    fn len(&self) -> u32 {
        self.0
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

pub(super) fn container(vif: u16, sizes: &[u32]) -> Container<Sized> {
    let mut c = Container::new(4096);
    c.open(0, PortId(vif), PortId(9));
    for &size in sizes {
        c.push(Sized(size));
    }
    c
}

pub(super) fn enqueue(scheduler: &mut Scheduler<Sized>, now: u64, vif: u16, sizes: &[u32]) {
    assert!(scheduler.enqueue(now, container(vif, sizes), false).is_none());
}

/// Takes the next container; returns its vif and its number of packets.
pub(super) fn next(scheduler: &mut Scheduler<Sized>, now: u64) -> Option<(u16, usize)> {
    match scheduler.next(now) {
        Next::Container(c) => Some((c.ingress().0, c.len())),
        _ => None,
    }
}

/// The vifs of the next turns, until none may go.
pub(super) fn turns(scheduler: &mut Scheduler<Sized>, now: u64) -> Vec<u16> {
    std::iter::from_fn(|| next(scheduler, now)).map(|(vif, _)| vif).collect()
}
