//! Shares by bytes, so that no vif gains by the size of its packets: the default. The algorithm, its bounds
//! and its limits are those of [`fair`](super::fair).

use super::fair::{Fair, Measure};
use crate::{Container, Packet};

pub type Drr<P> = Fair<P, Bytes>;

#[derive(Debug)]
pub struct Bytes;

impl Measure for Bytes {
    #[inline]
    fn cost<P: Packet>(container: &Container<P>) -> u64 {
        container.bytes()
    }
}

#[cfg(test)]
mod tests;
