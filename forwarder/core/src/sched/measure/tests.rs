use std::sync::Arc;

use super::super::testing::{enqueue, turns};
use super::*;
use crate::{Caps, PortId, Scheduler, SchedulerSettings, Share};

#[test]
fn by_bytes_sizes_do_not_matter_and_weights_do() {
    let mut drr = Drr::new(&SchedulerSettings::default(), Arc::new(Caps::default()));
    drr.set_share(0, PortId(3), &Share { weight: 2, ..Share::default() });
    for _ in 0..64 {
        enqueue(&mut drr, 0, 1, &[1000]);
        enqueue(&mut drr, 0, 2, &[500, 500, 500, 500]);
        enqueue(&mut drr, 0, 3, &[4000]);
    }
    let turns = turns(&mut drr, 0);
    let first = |n: usize, vif: u16| turns[..n].iter().filter(|&&at| at == vif).count();
    assert_eq!((first(56, 1), first(56, 2), first(56, 3)), (28, 14, 14));
    assert_eq!(turns.len(), 3 * 64);
}

#[test]
fn by_packets_packets_count_and_bytes_do_not() {
    let mut wrr = Wrr::new(&SchedulerSettings::default(), Arc::new(Caps::default()));
    wrr.set_share(0, PortId(3), &Share { weight: 2, ..Share::default() });
    for _ in 0..64 {
        enqueue(&mut wrr, 0, 1, &[4000]);
        enqueue(&mut wrr, 0, 2, &[64, 64]);
        enqueue(&mut wrr, 0, 3, &[9000]);
    }
    let turns = turns(&mut wrr, 0);
    let first = |n: usize, vif: u16| turns[..n].iter().filter(|&&at| at == vif).count();
    assert_eq!((first(70, 1), first(70, 2), first(70, 3)), (20, 10, 40));
    assert_eq!(turns.len(), 3 * 64);
}
