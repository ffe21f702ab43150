//! The interface of a port to its worker.
//!
//! Invariant: a packet given to `send` is returned, delivered, or lost under a reason that the port's numbers
//! name. No call waits or spins.

use std::os::fd::BorrowedFd;

use weir_core::{Losses, Reason};

use crate::chain::Assembled;
use crate::egress::TxFeatures;
use crate::packet::Packet;
use crate::pool::Pool;

/// Why a packet was not taken.
#[derive(Debug)]
pub enum Refused {
    /// The device or the ring is full. Keep the packet and offer it again.
    Full(Packet),
    /// The packet cannot be sent: release it and count it under this reason (the port has not counted it).
    Lost(Packet, Reason),
}

/// The result of asking the device to take what is in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kick {
    /// Nothing was waiting.
    Idle,
    /// The device took this many frames. More may wait: kick again next turn.
    Progress(usize),
    /// Frames wait, and the device takes none now.
    Again,
    /// The device is down or gone. Kick again now and then, to notice when it returns.
    Down,
}

/// The counters of one port since it was made. A packet counts as received when it was handed to the worker,
/// and as sent when the device has taken it.
#[derive(Clone, Debug, Default)]
pub struct PortStats {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub rx_superframes: u64,
    pub tx_packets: u64,
    pub tx_bytes: u64,
    pub tx_superframes: u64,
    /// Frames that are lost here and counted nowhere else: on receive as `rx_ring_full`, `fill_empty`,
    /// `bad_descriptor` and `truncated_chain`, on transmit as `tx_busy`, `tx_error`, `mtu_exceeded` and `stalled`.
    pub losses: Losses,
    /// Packets that software segmentation made beyond the superframes themselves; the ledger counts them as
    /// copies.
    pub segments_made: u64,
    /// Superframes segmented in software.
    pub segmented: u64,
    /// Partial checksums completed here and not by the program.
    pub checksums_completed: u64,
    /// Calls that asked the kernel to send, and those among them that it put off.
    pub kicks: u64,
    pub kick_again: u64,
    /// Packets sent by the packet socket (chains, superframes, everything to a tap), and attempts that it
    /// refused.
    pub vnet_packets: u64,
    pub vnet_refused: u64,
}

impl PortStats {
    /// Counts what a descriptor came to, and passes on a packet.
    #[inline]
    pub(crate) fn received(&mut self, assembled: Assembled, out: &mut Vec<Packet>) {
        match assembled {
            Assembled::Packet(packet) => {
                self.count_received(&packet);
                out.push(packet);
            }
            Assembled::Lost(reason) => self.losses.add(reason, 1),
            Assembled::More | Assembled::Rest => {}
        }
    }

    /// Counts a packet that was handed to the worker.
    #[inline]
    pub fn count_received(&mut self, packet: &Packet) {
        self.rx_packets += 1;
        self.rx_bytes += u64::from(packet.len());
        self.rx_superframes += u64::from(packet.is_superframe());
    }

    /// Counts a packet that the packet socket has taken.
    pub(crate) fn sent_by_socket(&mut self, packet: &Packet) {
        self.vnet_packets += 1;
        self.tx_packets += 1;
        self.tx_bytes += u64::from(packet.len());
        self.tx_superframes += u64::from(packet.is_superframe());
    }

    /// Counts a superframe, and the segments that were made of it.
    pub(crate) fn cut(&mut self, segments: usize) {
        self.segmented += 1;
        self.segments_made += segments as u64 - 1;
    }
}

/// A port: receives and sends frames.
pub trait Port {
    /// Keeps the fill ring full up to the port's quota, as far as the pool's reserve allows.
    fn refill(&mut self, pool: &mut Pool);

    /// Appends at most `max` packets to `out`, within its capacity, so it does not allocate.
    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Packet>, max: usize) -> usize;

    /// Whether it has its own receive queues. A port without any needs service only while something that it
    /// was given is in flight.
    fn receives(&self) -> bool;

    /// Takes a packet, in order. It may not leave before the next [`Self::kick`].
    fn send(&mut self, pool: &mut Pool, packet: Packet) -> Result<(), Refused>;

    /// Asks the device to take what is in the transmit ring, with a bounded number of calls. No call but the
    /// first is made after `until_ns` by the monotonic clock.
    fn kick_until(&mut self, pool: &mut Pool, until_ns: u64) -> Kick;

    /// Same as `kick_until`, without a deadline.
    fn kick(&mut self, pool: &mut Pool) -> Kick {
        self.kick_until(pool, u64::MAX)
    }

    /// Takes back the frames that `send` was given last and the kernel has not been asked to take. Returns
    /// the number of single frames, which are lost here as `stalled`.
    fn recall(&mut self, pool: &mut Pool) -> usize;

    /// Frees the frames that the kernel is done with, and returns their number.
    fn complete(&mut self, pool: &mut Pool) -> usize;

    /// The number of single frames that `send` is sure to take now. [`Self::kick`] and [`Self::complete`]
    /// update it.
    fn tx_room(&self) -> usize;

    /// The number of packets taken last by `send` that may still wait in the transmit ring for the kernel to
    /// take them. Each segment counts.
    fn tx_waiting(&self) -> usize;

    /// The packets taken that are neither sent nor lost yet.
    fn tx_outstanding(&self) -> usize;

    /// The frames that wait in the receive rings.
    fn rx_waiting(&mut self) -> usize;

    /// Applies changed properties of the device.
    fn retune(&mut self, mtu: u32, features: TxFeatures);

    /// The counters. This may be a system call, so do not call it every turn.
    fn stats(&self) -> PortStats;

    /// The descriptors to wait on for frames to arrive. Do not poll them while frames wait to be sent: that
    /// makes the kernel send, and hides its answer.
    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>>;
}
