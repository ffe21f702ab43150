//! The "kernel" of a port without one: it receives and sends frames, with faults drawn from a seed.
//!
//! Invariant: what it cannot take is counted as the real kernel counts it. The same seed gives the same faults
//! at the same calls.

use weir_abi::{ABI_VERSION, META_LEN, Meta, meta_flags};
use weir_core::Reason;
use zerocopy::IntoBytes;

use super::{Desc, MemPort, Sent};
use crate::packet::MAX_FRAMES;
use crate::pool::{CHUNK, HEADROOM, Pool, ROOM};

/// How often each fault happens, in thousandths. The default is never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub seed: u64,
    /// `send` finds the transmit ring full.
    pub tx_full: u16,
    /// A kick takes only some of the frames.
    pub short_send: u16,
    /// A kick takes nothing (EAGAIN).
    pub again: u16,
    /// The device drops a frame, which is completed nevertheless (EBUSY).
    pub busy: u16,
    /// A frame is sent, but its completion comes after all others, or never.
    pub late_completion: u16,
    /// The packet socket takes nothing (ENOBUFS).
    pub no_buffers: u16,
    /// The packet socket refuses a packet permanently (any other errno).
    pub tx_error: u16,
    /// The kernel finds no frame to receive into.
    pub fill_empty: u16,
    /// The receive ring is full.
    pub rx_full: u16,
    /// A descriptor names a foreign frame.
    pub bad_descriptor: u16,
    /// The last part of a chain never arrives.
    pub truncated_chain: u16,
}

impl Faults {
    /// All faults, each this often.
    pub fn all(seed: u64, thousandths: u16) -> Self {
        Self {
            seed,
            tx_full: thousandths,
            short_send: thousandths,
            again: thousandths,
            busy: thousandths,
            late_completion: thousandths,
            no_buffers: thousandths,
            tx_error: thousandths,
            fill_empty: thousandths,
            rx_full: thousandths,
            bad_descriptor: thousandths,
            truncated_chain: thousandths,
        }
    }
}

impl MemPort {
    /// Receives a frame, parsed as the program parses it. Returns false if it was lost before the ring.
    pub fn push_rx(&mut self, pool: &mut Pool, bytes: &[u8], ingress_ns: u64) -> bool {
        let meta = match weir_abi::classify(bytes) {
            Ok(verdict) => Meta::new(&verdict, ingress_ns, bytes.len() as u32, self.slot.0),
            Err(_) => Meta {
                ingress_ns,
                len: bytes.len() as u32,
                port: self.slot.0,
                flags: meta_flags::OTHER,
                abi: ABI_VERSION,
                ..Meta::default()
            },
        };
        self.push_rx_meta(pool, bytes, &meta)
    }

    /// Same as [`Self::push_rx`], with the given metadata: for superframes.
    pub fn push_rx_meta(&mut self, pool: &mut Pool, bytes: &[u8], meta: &Meta) -> bool {
        let count = bytes.len().div_ceil(ROOM).max(1);
        let starved = self.hits(self.faults.fill_empty);
        if starved || count > self.fill.len() || count > MAX_FRAMES {
            self.stats.losses.add(Reason::FillEmpty, 1);
            return false;
        }
        if self.rx.len() + count > self.ring || self.hits(self.faults.rx_full) {
            self.stats.losses.add(Reason::RxRingFull, 1);
            return false;
        }
        let cut_short = count > 1 && self.hits(self.faults.truncated_chain);
        for (nth, part) in bytes.chunks(ROOM).enumerate() {
            let Some(idx) = self.fill.pop_front() else { break };
            pool.set_len_of(idx, part.len() as u16);
            pool.bytes_of_mut(idx).copy_from_slice(part);
            if nth == 0 {
                let room = pool.memory.headroom_mut(idx);
                if let Some(place) = room.get_mut(HEADROOM - META_LEN..) {
                    place.copy_from_slice(meta.as_bytes());
                }
            }
            let mut addr = u64::from(idx) * CHUNK as u64 + HEADROOM as u64;
            if self.hits(self.faults.bad_descriptor) {
                // The frame itself stays with the kernel until it is reclaimed. (If a kernel names another
                // frame that it has to fill, this cannot be detected.)
                addr ^= 1 << ((self.random.below(44) + 32) % 64);
            }
            let more = nth + 1 < count;
            self.rx.push_back(Desc { addr, len: part.len() as u32, more });
            if cut_short && nth + 2 == count {
                // The chain ends without its last part, which its length reveals.
                if let Some(last) = self.rx.back_mut() {
                    last.more = false;
                }
                return true;
            }
        }
        true
    }

    /// Takes the next frame that was sent.
    pub fn take_tx(&mut self) -> Option<Sent> {
        self.wire.pop_front()
    }

    /// The device drops the first frame in the ring, or sends it.
    pub(super) fn transmit(&mut self, pool: &Pool, idx: u32, drop: bool) {
        if drop {
            self.stats.losses.add(Reason::TxBusy, 1);
            self.dropped += 1;
        } else {
            self.wire.push_back(Sent { bytes: pool.bytes_of(idx).to_vec(), vnet: None });
        }
        if self.hits(self.faults.late_completion) {
            self.late.push_back(idx);
        } else {
            self.completion.push_back(idx);
        }
    }
}
