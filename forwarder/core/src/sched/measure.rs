//! What a container costs: the quantity that weights share. The algorithm, its bounds and its limits are those
//! of [`fair`](super::fair). Minimum and maximum rates are in bits with either measure.

use super::Fair;
use crate::{Container, Packet};

pub trait Measure {
    /// In any unit, as long as a cost is below 2^32 and a thousandth of it is large against 2^-20 units.
    fn cost<P: Packet>(container: &Container<P>) -> u64;
}

/// Shares by bytes, so that no vif gains by the size of its packets: the default.
pub type Drr<P> = Fair<P, Bytes>;

/// Shares by packets, whatever their size: weighted round robin as published. Its bounds are in packets, of
/// which a container holds up to 64. A vif that sends larger packets gets more bytes.
pub type Wrr<P> = Fair<P, Packets>;

#[derive(Debug)]
pub struct Bytes;

impl Measure for Bytes {
    #[inline]
    fn cost<P: Packet>(container: &Container<P>) -> u64 {
        container.bytes()
    }
}

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
