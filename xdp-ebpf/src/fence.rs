//! Fences: frames that user space sends through a CPU's backlog, to learn when the frames before them have
//! left it.
//! Invariant: each is counted once, under the number of its round, and goes nowhere.

use aya_ebpf::{bindings::TC_ACT_SHOT, programs::TcContext};
use weir_abi::{Bytes as _, maps::FENCE_ETHERTYPE};

use crate::{FENCES, packet::Packet, tables};

#[inline(always)]
pub(crate) fn fence(ctx: &TcContext) -> i32 {
    let packet = Packet::of_skb(ctx);
    if packet.be16(12) == Some(FENCE_ETHERTYPE)
        && let Some(round) = packet.be32(14)
        && let Some(fences) = FENCES.get_ptr_mut(round)
    {
        tables::add(fences, 1);
    }
    TC_ACT_SHOT
}
