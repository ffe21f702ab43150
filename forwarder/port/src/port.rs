//! What a worker asks of a port, whatever is behind it.
//!
//! Invariant: a packet given to `send` comes back, or is delivered or lost under a reason that
//! the port's numbers name; nothing waits or spins in here.

use std::os::fd::BorrowedFd;

use weir_core::{Losses, Reason};

use crate::egress::TxFeatures;
use crate::packet::Packet;
use crate::pool::Pool;

/// Why a packet was not taken.
#[derive(Debug)]
pub enum Refused {
    /// Not now: the device or the ring is full. Keep it and offer it again.
    Full(Packet),
    /// Never: release it and count it under this reason (the port has not counted it).
    Lost(Packet, Reason),
}

/// What became of an attempt to make the device take what is in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kick {
    /// Nothing was waiting.
    Idle,
    /// The device took this many frames. More may wait: kick again next turn.
    Progress(usize),
    /// Frames wait, and the device takes none now.
    Again,
    /// The device is down or gone. Kick again now and then: it is noticed when it returns.
    Down,
}

/// One port's own numbers, since it was made. A packet counts as received when it was handed to
/// the worker, and as sent when the device has taken it.
#[derive(Clone, Debug, Default)]
pub struct PortStats {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub rx_superframes: u64,
    pub tx_packets: u64,
    pub tx_bytes: u64,
    pub tx_superframes: u64,
    /// Frames that are lost here, and nowhere else counted: on the way in `rx_ring_full`,
    /// `fill_empty`, `bad_descriptor`, `truncated_chain`; on the way out `tx_busy`.
    pub losses: Losses,
    /// Packets that software segmentation made beyond the superframes themselves: to the ledger
    /// they are copies.
    pub segments_made: u64,
    /// Superframes segmented in software.
    pub segmented: u64,
    /// Partial checksums completed here, not in the program.
    pub checksums_completed: u64,
    /// Calls that asked the kernel to send, and their outcomes.
    pub kicks: u64,
    pub kick_again: u64,
    pub kick_busy: u64,
    pub kick_no_buffers: u64,
    pub kick_down: u64,
    /// Errors of such a call that we know no meaning of; the frames stay in the ring.
    pub kick_errors: u64,
    /// Packets sent by the packet socket (chains, superframes, everything to a tap), and attempts
    /// it refused.
    pub vnet_packets: u64,
    pub vnet_refused: u64,
    /// Completions of frames that were not being sent: the kernel or this program is wrong.
    pub bad_completions: u64,
}

/// Frames in, frames out.
pub trait Port {
    /// Keeps the fill ring full up to the port's quota, as far as the pool's reserve allows.
    fn refill(&mut self, pool: &mut Pool);

    /// Appends at most `max` packets to `out`, and never makes it grow: no allocation.
    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Packet>, max: usize) -> usize;

    /// Whether it has receive queues of its own. One that has none is to be looked after only while
    /// something it was given is under way.
    fn receives(&self) -> bool;

    /// Takes a packet, in order. It may not have left before the next [`Self::kick`].
    fn send(&mut self, pool: &mut Pool, packet: Packet) -> Result<(), Refused>;

    /// Makes the device take what is in the transmit ring; a bounded number of calls, none of them after
    /// `until_ns` by the monotonic clock, but the first.
    fn kick_until(&mut self, pool: &mut Pool, until_ns: u64) -> Kick;

    /// The same, however long it takes.
    fn kick(&mut self, pool: &mut Pool) -> Kick {
        self.kick_until(pool, u64::MAX)
    }

    /// Takes back what `send` was given last and the kernel has not been asked to take: how many single
    /// frames, which are lost here as `stalled`.
    fn recall(&mut self, pool: &mut Pool) -> usize;

    /// Frees the frames that the kernel is done with; how many.
    fn complete(&mut self, pool: &mut Pool) -> usize;

    /// Single frames that `send` is sure to take now. Brought up to date by [`Self::kick`] and
    /// [`Self::complete`].
    fn tx_room(&self) -> usize;

    /// Of the packets taken by `send`, in order, so many of the last may still wait in the transmit
    /// ring for the kernel to take them; segments count each.
    fn tx_waiting(&self) -> usize;

    /// Packets taken that are neither sent nor lost yet.
    fn tx_outstanding(&self) -> usize;

    /// Frames that wait in the receive rings.
    fn rx_waiting(&mut self) -> usize;

    /// The device changed.
    fn retune(&mut self, mtu: u32, features: TxFeatures);

    /// May ask the kernel: not for every turn.
    fn stats(&self) -> PortStats;

    /// What to wait on for frames to arrive. Not for polling while frames wait to be sent: that
    /// makes the kernel send, and swallows its answer.
    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>>;
}
