//! Fill rings and receive rings.
//!
//! Invariant: frames put into a fill ring are returned by the receive ring or reclaimed. Its level is the
//! number put in less the number returned.

use weir_core::broken;
use xsk_rs::FrameDesc;

use super::{BATCH, Queue, XskPort};
use crate::packet::Packet;
use crate::pool::{CHUNK, Owner, Pool};
use crate::port::PortStats;

/// How many frames ahead memory is prefetched: more than a core can have outstanding is of no use.
const AHEAD: usize = 8;

impl XskPort {
    #[inline]
    pub(super) fn refill_all(&mut self, pool: &mut Pool) {
        let (quota, slot) = (self.quota, self.slot);
        // In batches, because each access to the ring's shared indices is expensive.
        let worth_it = (BATCH as u32).min(quota.div_ceil(2));
        for queue in &mut self.queues {
            while quota.saturating_sub(queue.level) >= worth_it {
                let missing = (quota - queue.level) as usize;
                let wanted = missing.min(BATCH).min(pool.available_to_fill());
                if wanted > 0 {
                    pool.order_next();
                }
                let mut count = 0;
                for place in self.scratch.iter_mut().take(wanted) {
                    let Some(frame) = pool.alloc() else {
                        broken!("there are fewer free frames than were counted");
                        break;
                    };
                    let idx = frame.into_index();
                    let Some(desc) = pool.memory.desc(idx) else {
                        broken!("a port's pool is in plain memory");
                        pool.free_index(idx);
                        break;
                    };
                    pool.set_owner(idx, Owner::fill(slot));
                    *place = desc;
                    count += 1;
                }
                let batch = self.scratch.get(..count).unwrap_or_default();
                if !put(queue, pool, batch) {
                    break;
                }
            }
        }
    }

    #[inline]
    pub(super) fn receive_some(
        &mut self,
        pool: &mut Pool,
        out: &mut Vec<Packet>,
        max: usize,
    ) -> usize {
        let Self { queues, scratch, stats, next_queue, .. } = self;
        let max = max.min(out.capacity() - out.len());
        let before = out.len();
        let count = queues.len();
        for nth in 0..count {
            let at = (*next_queue + nth) % count;
            let Some(queue) = queues.get_mut(at) else { continue };
            loop {
                // A descriptor makes at most one packet.
                let wanted = (max - (out.len() - before)).min(BATCH);
                let batch = scratch.get_mut(..wanted).unwrap_or_default();
                // SAFETY: these descriptors are overwritten with what the kernel received; they name no frame
                // that has an owner.
                let got = unsafe { queue.rings.rx.consume(batch) };
                let batch = batch.get(..got).unwrap_or_default();
                for desc in batch.iter().take(AHEAD) {
                    pool.prefetch(desc.addr() as u64);
                }
                for (at, desc) in batch.iter().enumerate() {
                    if let Some(later) = batch.get(at + AHEAD) {
                        pool.prefetch(later.addr() as u64);
                    }
                    take(queue, pool, stats, out, desc);
                }
                if got < BATCH {
                    break;
                }
            }
        }
        // The next call starts with another queue, whether this one was emptied or not.
        *next_queue = (*next_queue + 1) % count.max(1);
        out.len() - before
    }
}

#[inline]
fn take(
    queue: &mut Queue,
    pool: &mut Pool,
    stats: &mut PortStats,
    out: &mut Vec<Packet>,
    desc: &FrameDesc,
) {
    let len = desc.lengths().data() as u32;
    let (assembled, ours) = queue.chain.push(pool, desc.addr() as u64, len, desc.has_more_frames());
    queue.level -= u32::from(ours && queue.level > 0);
    stats.received(assembled, out);
}

/// Puts frames into the fill ring, or back into the pool. Returns false if no more can be put now.
fn put(queue: &mut Queue, pool: &mut Pool, batch: &[FrameDesc]) -> bool {
    if batch.is_empty() {
        return false;
    }
    // SAFETY: the frames were free and are recorded as this port's to fill: nothing touches them until the
    // kernel returns them.
    let put = unsafe { queue.rings.fill.produce(batch) };
    queue.level += put as u32;
    for desc in batch.iter().skip(put) {
        pool.free_index((desc.addr() / CHUNK) as u32);
    }
    put == batch.len()
}
