//! Assembles receive descriptors into packets.
//!
//! Invariant: what the kernel and the program report is checked before it is used. A descriptor of a foreign
//! frame moves no frame. A chain with one bad link is dropped whole and counted once.

use weir_abi::{ABI_VERSION, META_LEN, Meta};
use weir_core::{MAX_PORTS, PortId, Reason};
use zerocopy::FromBytes;

use crate::frame::Frame;
use crate::packet::{MAX_FRAMES, Packet};
use crate::pool::{HEADROOM, NONE, Owner, Pool};

/// The slot of a port whose ring has packets of all ports.
pub const SHARED_RING: PortId = PortId(0xfff);
const _: () = assert!(MAX_PORTS <= SHARED_RING.0 as usize);

/// The result of one descriptor.
#[derive(Debug)]
pub(crate) enum Assembled {
    Packet(Packet),
    /// The chain continues.
    More,
    Lost(Reason),
    /// Part of a chain that was already lost and counted.
    Rest,
}

/// The unfinished chain of one receive queue.
#[derive(Debug)]
pub(crate) struct Assembler {
    slot: PortId,
    head: u32,
    tail: u32,
    frames: u16,
    len: u32,
    /// The chain is lost: its frames are dropped until it ends.
    skipping: bool,
}

impl Assembler {
    pub(crate) fn new(slot: PortId) -> Self {
        Self { slot, head: NONE, tail: NONE, frames: 0, len: 0, skipping: false }
    }

    /// Takes one descriptor. The flag is false if the port was not to receive the frame it names.
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
            pool.set_owner(idx, Owner::rx(self.slot));
            return Assembled::More;
        }
        let (head, frames, len) = (self.head, self.frames, self.len);
        self.reset();
        pool.set_chain_owner(head, Owner::HELD);
        self.finish(pool, head, frames, len)
    }

    /// Finishes a whole chain. It is a packet if the metadata in front of it is valid and agrees with it.
    #[inline]
    fn finish(&self, pool: &mut Pool, head: u32, frames: u16, len: u32) -> Assembled {
        let meta = pool.memory.headroom(head).get(HEADROOM - META_LEN..);
        let meta = meta.and_then(|bytes| Meta::read_from_bytes(bytes).ok());
        let ours = meta.filter(|meta| meta.abi == ABI_VERSION && self.is_for(meta.port));
        let reason = match ours {
            Some(meta) if meta.len == len => {
                let ingress = PortId(meta.port);
                return Assembled::Packet(Packet::new(Frame::new(head), frames, ingress, &meta));
            }
            // The program saw more bytes than arrived.
            Some(meta) if meta.len > len => Reason::TruncatedChain,
            _ => Reason::BadDescriptor,
        };
        pool.free_chain(head);
        Assembled::Lost(reason)
    }

    /// Whether a packet of that port may arrive by this ring.
    #[inline]
    fn is_for(&self, port: u16) -> bool {
        if self.slot == SHARED_RING { usize::from(port) < MAX_PORTS } else { port == self.slot.0 }
    }

    fn lose(&mut self, pool: &mut Pool, more: bool, reason: Reason) -> Assembled {
        let again = self.skipping;
        pool.free_chain(self.head);
        self.reset();
        self.skipping = more;
        if again { Assembled::Rest } else { Assembled::Lost(reason) }
    }

    fn reset(&mut self) {
        *self = Self::new(self.slot);
    }
}

#[cfg(test)]
mod tests;
