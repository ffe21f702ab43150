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
pub(crate) enum Step {
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
    ) -> (Step, bool) {
        let Some(idx) = pool.claim_received(self.slot, addr, len) else {
            return (self.lose(pool, more, Reason::BadDescriptor), false);
        };
        if self.head == NONE && !more && !self.skipping {
            return (self.finish(pool, idx, 1, len), true);
        }
        (self.link(pool, idx, len, more), true)
    }

    fn link(&mut self, pool: &mut Pool, idx: u32, len: u32, more: bool) -> Step {
        if self.skipping {
            pool.free_index(idx);
            self.skipping = more;
            return Step::Rest;
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
            return Step::More;
        }
        let (head, frames, len) = (self.head, self.frames, self.len);
        self.reset();
        pool.set_chain_owner(head, Owner::Held);
        self.finish(pool, head, frames, len)
    }

    /// A whole chain: a packet if its metadata stands in front of it and agrees.
    #[inline]
    fn finish(&self, pool: &mut Pool, head: u32, frames: u16, len: u32) -> Step {
        let meta = pool.headroom(head).get(HEADROOM - META_LEN..);
        let meta = meta.and_then(|bytes| Meta::read_from_bytes(bytes).ok());
        let ours = meta.filter(|meta| meta.abi == ABI_VERSION && self.is_for(meta.port));
        let reason = match ours {
            Some(meta) if meta.len == len => {
                let ingress = PortId(meta.port);
                return Step::Packet(Packet::new(Frame::new(head), frames, ingress, &meta));
            }
            // The program saw more of it than came.
            Some(meta) if meta.len > len => Reason::TruncatedChain,
            _ => Reason::BadDescriptor,
        };
        free_chain(pool, head);
        Step::Lost(reason)
    }

    /// Whether a packet of that port may come by this ring.
    #[inline]
    fn is_for(&self, port: u16) -> bool {
        if self.slot == SHARED_RING { usize::from(port) < MAX_PORTS } else { port == self.slot.0 }
    }

    fn lose(&mut self, pool: &mut Pool, more: bool, reason: Reason) -> Step {
        let again = self.skipping;
        free_chain(pool, self.head);
        self.reset();
        self.skipping = more;
        if again { Step::Rest } else { Step::Lost(reason) }
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
mod tests {
    use super::*;
    use crate::pool::{CHUNK, ROOM};
    use zerocopy::IntoBytes;

    const PORT: PortId = PortId(3);

    fn filled(pool: &mut Pool, meta: &Meta) -> u64 {
        let idx = pool.alloc().unwrap().into_index();
        pool.set_owner(idx, Owner::Fill(PORT));
        pool.headroom_mut(idx)[HEADROOM - META_LEN..].copy_from_slice(meta.as_bytes());
        u64::from(idx) * CHUNK as u64 + HEADROOM as u64
    }

    fn meta(len: u32) -> Meta {
        Meta { len, port: PORT.0, abi: ABI_VERSION, ..Meta::default() }
    }

    #[test]
    fn a_single_frame() {
        let mut pool = Pool::heap(2);
        let mut chain = Assembler::new(PORT);
        let addr = filled(&mut pool, &meta(60));
        let (Step::Packet(packet), true) = chain.push(&mut pool, addr, 60, false) else { panic!() };
        assert_eq!((packet.len(), packet.frames(), packet.ingress()), (60, 1, PORT));
        pool.release(packet);
        assert_eq!(pool.census().free, 2);
    }

    #[test]
    fn a_chain_waits_for_its_end() {
        let mut pool = Pool::heap(4);
        let mut chain = Assembler::new(PORT);
        let room = ROOM as u32;
        let addrs: Vec<u64> = (0..3).map(|_| filled(&mut pool, &meta(2 * room + 10))).collect();
        assert!(matches!(chain.push(&mut pool, addrs[0], room, true), (Step::More, true)));
        assert!(matches!(chain.push(&mut pool, addrs[1], room, true), (Step::More, true)));
        assert_eq!((pool.census().rx, pool.census().fill), (2, 1));
        let (Step::Packet(packet), _) = chain.push(&mut pool, addrs[2], 10, false) else {
            panic!()
        };
        assert_eq!((packet.len(), packet.frames()), (2 * room + 10, 3));
        assert_eq!(pool.census().held, 3);
        pool.release(packet);
    }

    #[test]
    fn metadata_that_disagrees_is_not_believed() {
        let mut pool = Pool::heap(1);
        let mut chain = Assembler::new(PORT);
        for (wrong, name) in [
            (Meta { len: 59, ..meta(60) }, Reason::BadDescriptor),
            (Meta { abi: ABI_VERSION + 1, ..meta(60) }, Reason::BadDescriptor),
            (Meta { port: 4, ..meta(60) }, Reason::BadDescriptor),
            (Meta { len: 61, ..meta(60) }, Reason::TruncatedChain),
        ] {
            let addr = filled(&mut pool, &wrong);
            let (step, ours) = chain.push(&mut pool, addr, 60, false);
            assert!(matches!(step, Step::Lost(reason) if reason == name) && ours);
            assert_eq!(pool.census().free, 1);
        }
    }

    #[test]
    fn one_bad_link_loses_the_chain_once() {
        let mut pool = Pool::heap(4);
        let mut chain = Assembler::new(PORT);
        let room = ROOM as u32;
        let addrs: Vec<u64> = (0..4).map(|_| filled(&mut pool, &meta(60))).collect();
        assert!(matches!(chain.push(&mut pool, addrs[0], room, true).0, Step::More));
        let (step, ours) = chain.push(&mut pool, addrs[1] + 8, room, true);
        assert!(matches!(step, Step::Lost(Reason::BadDescriptor)) && !ours);
        assert!(matches!(chain.push(&mut pool, addrs[2], room, true).0, Step::Rest));
        assert!(matches!(chain.push(&mut pool, addrs[2], room, false).0, Step::Rest));
        let (Step::Packet(packet), _) = chain.push(&mut pool, addrs[3], 60, false) else {
            panic!()
        };
        pool.release(packet);
        let census = pool.census();
        assert_eq!((census.free, census.fill), (3, 1)); // the misnamed frame still is the kernel's
    }

    #[test]
    fn an_endless_chain_is_cut_off() {
        let mut pool = Pool::heap(40);
        let mut chain = Assembler::new(PORT);
        let mut lost = 0;
        for _ in 0..30 {
            let addr = filled(&mut pool, &meta(60));
            lost += usize::from(matches!(chain.push(&mut pool, addr, 60, true).0, Step::Lost(_)));
        }
        assert_eq!(lost, 1);
        assert_eq!(pool.census().free, 40);
    }
}
