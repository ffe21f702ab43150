//! The express lane: a frame that nothing has to schedule goes to its port at once.
//!
//! Invariant: `express` is called only for a frame whose source has nothing under way by another lane. A
//! frame whose tag cannot be changed is left to the bridge, unchanged.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{
        bpf_redirect, bpf_redirect_peer, bpf_skb_change_type, bpf_skb_vlan_pop, bpf_skb_vlan_push,
    },
    programs::TcContext,
};
use weir_abi::{
    Decision, Method, Tag,
    gate::{pair_key, redirected},
};

use crate::{EXPRESS_PAIRS, EXPRESSED, REDIRECTED};

/// What the program returns; `None`: the frame is the bridge's.
#[inline(always)]
pub(crate) fn express(
    ctx: &TcContext,
    slot: u16,
    decision: &Decision,
    tag: Option<Tag>,
    len: u32,
) -> Option<i32> {
    const PACKET_HOST: u32 = 0;
    let (method, ifindex) = decision.express?;
    if tag != decision.tag {
        retag(ctx, tag, decision.tag)?;
    }
    let counters = EXPRESSED.get_ptr_mut(decision.egress.into())?;
    let len = if decision.tag.is_some() { len + 4 } else { len };
    count(counters, len);
    count_pair(slot, decision.egress, len);
    // SAFETY: helpers that take the context, and numbers.
    let action = unsafe {
        match method {
            Method::Peer => {
                // Newer kernels do so by themselves. An older one keeps the type from ingress, by the address
                // of that device: `PACKET_OTHERHOST`, which the other end drops.
                bpf_skb_change_type(ctx.as_ptr().cast(), PACKET_HOST);
                bpf_redirect_peer(ifindex, 0)
            }
            Method::Redirect => {
                // The gate has charged the link already.
                if let Some(cell) = REDIRECTED.get_ptr_mut(0) {
                    cell.write(redirected(ifindex, ctx.len()));
                }
                bpf_redirect(ifindex, 0)
            }
        }
    };
    Some(action as i32)
}

#[inline(always)]
pub(crate) fn count(counters: *mut [u64; 2], len: u32) {
    let counters = counters.cast::<u64>();
    // SAFETY: a per-CPU value of two words, and no other program of this CPU runs meanwhile.
    unsafe {
        *counters += 1;
        *counters.add(1) += u64::from(len);
    }
}

/// If there is no room or memory for another pair, the frame is not counted by pair, and goes on.
#[inline(always)]
fn count_pair(ingress: u16, egress: u16, len: u32) {
    let key = pair_key(ingress, egress);
    match EXPRESS_PAIRS.get_ptr_mut(key) {
        Some(counters) => count(counters, len),
        // If another CPU was first, this sets this CPU's value alone.
        None => _ = EXPRESS_PAIRS.insert(key, [1, u64::from(len)], 0),
    }
}

/// Takes the tag off, or puts one on. A bridge never changes one tag into another.
#[inline(always)]
fn retag(ctx: &TcContext, has: Option<Tag>, wanted: Option<Tag>) -> Option<()> {
    let skb = ctx.as_ptr().cast();
    // SAFETY: helpers that take the context, and numbers.
    let refused = unsafe {
        match (has, wanted) {
            (Some(_), None) => bpf_skb_vlan_pop(skb),
            (None, Some(tag)) => bpf_skb_vlan_push(skb, tag.proto.to_be(), tag.tci),
            _ => return None,
        }
    };
    (refused == 0).then_some(())
}
