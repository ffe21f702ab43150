//! Shares by packets, whatever their size: weighted round robin as published. The algorithm is that of
//! [`fair`](super::fair), with its bounds in packets, of which a container holds up to 64. A vif that sends
//! larger packets gets more bytes. Minimum and maximum rates are in bits here as well.

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
mod tests;
