//! Shares by packets, whatever their size: weighted round robin as published. The algorithm is that
//! of [`fair`](super::fair), with its bounds in packets: one container is up to 64 of them. In bytes,
//! who sends larger packets gets more. Minimum and maximum rates are in bits here as well.

use super::fair::{Fair, Measure};
use crate::{Container, Packet};

pub type Wrr<P> = Fair<P, Packets>;

#[derive(Debug)]
pub struct Packets;

impl Measure for Packets {
    /// Times 1024, so that one packet divided by the largest weight is still exact enough.
    #[inline]
    fn cost<P: Packet>(container: &Container<P>) -> u64 {
        (container.len() as u64) << 10
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::{enqueue, turns};
    use super::*;
    use crate::{Caps, PortId, Scheduler, SchedulerSettings, Share};

    #[test]
    fn packets_count_and_bytes_do_not() {
        let mut wrr = Wrr::new(&SchedulerSettings::default(), Arc::new(Caps::new()));
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
}
