//! A packet, and the device behind a port. Invariant: packets leave a device at its rate, in the order in
//! which they were handed to it.

use std::collections::VecDeque;

use super::SimPort;
use super::source::{Random, SEED};
use crate::Packet;

#[derive(Clone, Debug)]
pub(super) struct SimPacket {
    pub(super) len: u32,
    pub(super) arrived_ns: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    /// Its sequence number within its pair.
    pub(super) seq: u64,
    /// The source that made it, or that requested it.
    pub(super) source: usize,
    pub(super) leg: Leg,
}

/// What the receiver does with the packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leg {
    Only,
    /// It is answered with a packet of this many bytes.
    Request {
        answer: u32,
    },
    Answer,
}

impl Packet for SimPacket {
    fn len(&self) -> u32 {
        self.len
    }
    fn arrived_ns(&self) -> u64 {
        self.arrived_ns
    }
}

pub(super) struct Device<'a> {
    pub(super) spec: &'a SimPort,
    pub(super) present: bool,
    pub(super) stalled: bool,
    pub(super) rx: VecDeque<SimPacket>,
    pub(super) tx: VecDeque<SimPacket>,
    /// When the link will have sent the current packet.
    pub(super) free_ns: u64,
    pub(super) random: Random,
}

impl<'a> Device<'a> {
    pub(super) fn new(spec: &'a SimPort, stream: u64) -> Self {
        Self {
            spec,
            present: false,
            stalled: false,
            rx: VecDeque::new(),
            tx: VecDeque::new(),
            free_ns: 0,
            random: Random::new(SEED, 1000 + stream),
        }
    }

    /// The next packet that the link has sent by `now`, with its time.
    pub(super) fn sent(&mut self, now: u64) -> Option<(u64, SimPacket)> {
        let packet = self.tx.front()?;
        let on_link_ns = self.spec.device_rate.map_or(0, |rate| rate.time_ns(packet.len.into()));
        let sent_ns = self.free_ns.saturating_add(on_link_ns);
        if sent_ns > now {
            return None;
        }
        self.free_ns = sent_ns;
        self.tx.pop_front().map(|packet| (sent_ns, packet))
    }
}
