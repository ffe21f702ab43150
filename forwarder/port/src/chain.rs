//! Receive descriptors into packets.
//!
//! Invariant: what the kernel and the program say is checked before it is believed. A descriptor
//! that is not ours moves no frame; a chain with one bad link is dropped whole, counted once.

use weir_abi::{ABI_VERSION, META_LEN, Meta};
use weir_core::{MAX_PORTS, PortId, Reason};
use zerocopy::FromBytes;

use crate::frame::Frame;
use crate::packet::{MAX_FRAMES, Packet};
use crate::pool::{HEADROOM, NONE, Owner, Pool};

/// Stands for a port whose ring has packets of all ports.
pub const SHARED_RING: PortId = PortId(0xfff);
const _: () = assert!(MAX_PORTS <= SHARED_RING.0 as usize);

/// What a descriptor led to.
#[derive(Debug)]
pub(crate) enum Assembled {
    Packet(Packet),
    /// The chain goes on.
    More,
    Lost(Reason),
    /// The rest of a chain that was lost and counted before.
    Rest,
}

/// The chain that one receive queue is in the middle of.
#[derive(Debug)]
pub(crate) struct Assembler {
    slot: PortId,
    head: u32,
    tail: u32,
    frames: u16,
    len: u32,
    /// The chain is lost: drop its frames until it ends.
    skipping: bool,
}

impl Assembler {
    pub(crate) fn new(slot: PortId) -> Self {
        Self { slot, head: NONE, tail: NONE, frames: 0, len: 0, skipping: false }
    }

    /// Takes one descriptor. `ours` is false if the frame it names is not the port's to receive.
    #[inline]
    pub(crate) fn push(
        &mut self,
        pool: &mut Pool,
        addr: u64,
        len: u32,
        more: bool,
    ) -> (Assembled, bool) {
        let Some(idx) = pool.claim_received(self.slot, addr, len) else {
            return (self.lose(pool, more, Reason::BadDescriptor), false);
        };
        if self.head == NONE && !more && !self.skipping {
            return (self.finish(pool, idx, 1, len), true);
        }
        (self.link(pool, idx, len, more), true)
    }

    fn link(&mut self, pool: &mut Pool, idx: u32, len: u32, more: bool) -> Assembled {
        if self.skipping {
            pool.free_index(idx);
            self.skipping = more;
            return Assembled::Rest;
        }
        if usize::from(self.frames) == MAX_FRAMES {
            pool.free_index(idx);
            return self.lose(pool, more, Reason::TruncatedChain);
        }
        if self.head == NONE {
            self.head = idx;
        } else {
            pool.set_next(self.tail, idx);
        }
        self.tail = idx;
        self.frames += 1;
        self.len += len;
        if more {
            pool.set_owner(idx, Owner::Rx(self.slot));
            return Assembled::More;
        }
        let (head, frames, len) = (self.head, self.frames, self.len);
        self.reset();
        pool.set_chain_owner(head, Owner::Held);
        self.finish(pool, head, frames, len)
    }

    /// A whole chain: a packet if its metadata stands in front of it and agrees.
    #[inline]
    fn finish(&self, pool: &mut Pool, head: u32, frames: u16, len: u32) -> Assembled {
        let meta = pool.headroom(head).get(HEADROOM - META_LEN..);
        let meta = meta.and_then(|bytes| Meta::read_from_bytes(bytes).ok());
        let ours = meta.filter(|meta| meta.abi == ABI_VERSION && self.is_for(meta.port));
        let reason = match ours {
            Some(meta) if meta.len == len => {
                let ingress = PortId(meta.port);
                return Assembled::Packet(Packet::new(Frame::new(head), frames, ingress, &meta));
            }
            // The program saw more of it than came.
            Some(meta) if meta.len > len => Reason::TruncatedChain,
            _ => Reason::BadDescriptor,
        };
        free_chain(pool, head);
        Assembled::Lost(reason)
    }

    /// Whether a packet of that port may come by this ring.
    #[inline]
    fn is_for(&self, port: u16) -> bool {
        if self.slot == SHARED_RING { usize::from(port) < MAX_PORTS } else { port == self.slot.0 }
    }

    fn lose(&mut self, pool: &mut Pool, more: bool, reason: Reason) -> Assembled {
        let again = self.skipping;
        free_chain(pool, self.head);
        self.reset();
        self.skipping = more;
        if again { Assembled::Rest } else { Assembled::Lost(reason) }
    }

    fn reset(&mut self) {
        *self = Self::new(self.slot);
    }
}

fn free_chain(pool: &mut Pool, head: u32) {
    let mut at = head;
    while at != NONE {
        let next = pool.next(at);
        pool.free_index(at);
        at = next;
    }
}

#[cfg(test)]
mod tests;
