//! A queue of single frames (the line) for a device whose transmit ring cannot be used. The frames leave by
//! the packet socket, many per call.
//!
//! Invariant: a frame leaves the line only when the device has taken it, or when it is lost under a reason.
//! Frames in the line are recorded in the pool's table as this port's to send.
//!
//! Two kinds of device have a line:
//!
//! - A tap (and a tun) cannot stop its queue: `tun_net_xmit` drops what its ring has no room for. A transmit
//!   ring reports that when the frame is gone: the frame is completed, and the call returns EBUSY. A packet
//!   socket reports it (ENOBUFS) while the port still has the frame's bytes, so the frame can wait for room
//!   like any other.
//! - A device may have several transmit queues. A ring's frames take the queue that its socket is bound to
//!   (`__xsk_generic_xmit`). A packet socket's frames take the queue that the driver or XPS chooses for the
//!   sending core, or the core's number modulo the queues (`packet_pick_tx_queue`, `skb_tx_hash`). Frames
//!   that leave by ring and by socket would overtake each other, so all take the socket: for the packets of
//!   one flow, sent from one core, the choice is always the same.
//!
//! The line costs a little more for each frame.
//!
//! If a tap takes nothing for [`PATIENCE_NS`], all frames in its line are lost. A tap belongs to a virtual
//! machine, which may be paused for hours, and a frame in the line keeps its source out of the express lane
//! towards all ports. The kernel's bridge would lose such frames at once: a tap drops what its ring has no
//! room for. Lines and rings of veths have no such limit: the kernel reads them, and a guest that holds
//! frames back pushes back on its senders.

use std::collections::VecDeque;

use weir_core::{Reason, invariant};

use super::tx::{Answer, REFUSED_NS};
use super::{BATCH, XskPort, sending};
use crate::pool::Pool;
use crate::port::Kick;
use crate::sys;
use crate::vnet::Outcome;

/// A device that takes nothing is asked for its carrier once in this many attempts.
const ASK_EVERY: u32 = 64;
/// The most calls in one kick: a line of 2048, and some calls cut short by a frame that is refused.
const MOST_CALLS: usize = 40;
/// If a tap takes nothing for this long, what waits for it is lost. A virtual machine that runs reads every few
/// milliseconds; one that migrates, or has no core, may not read for some hundreds of milliseconds.
const PATIENCE_NS: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Line {
    frames: VecDeque<u32>,
    /// How often in a row the device took nothing.
    refused: u32,
    /// The first refusal since the device last took a frame.
    refused_since_ns: Option<u64>,
    /// The time from that to the last refusal.
    refused_for_ns: u64,
    /// Whether the device is a tap.
    drops: bool,
}

impl Line {
    pub(super) fn new(room: u32, drops: bool) -> Self {
        let frames = VecDeque::with_capacity(room as usize);
        Self { frames, refused: 0, refused_since_ns: None, refused_for_ns: 0, drops }
    }

    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.frames.len() as u32
    }

    #[inline]
    pub(super) fn push(&mut self, idx: u32) {
        self.frames.push_back(idx);
    }

    /// Records that the device took nothing. Returns true if what waits has waited for too long.
    #[cold]
    fn refuse(&mut self, now_ns: u64) -> bool {
        self.refused = self.refused.wrapping_add(1);
        let since_ns = *self.refused_since_ns.get_or_insert(now_ns);
        self.refused_for_ns = now_ns.saturating_sub(since_ns);
        self.drops && self.refused_for_ns >= PATIENCE_NS
    }

    /// Whether a tap has taken nothing for so long that superframes join the line as segments. They are then
    /// lost together with the frames before them.
    #[cold]
    pub(super) fn is_stuck(&self) -> bool {
        self.drops && self.refused_for_ns > REFUSED_NS
    }

    /// Starts the time of [`PATIENCE_NS`] again: the device took a frame or was down, or the line is empty.
    #[inline]
    fn wait_anew(&mut self) {
        (self.refused_since_ns, self.refused_for_ns) = (None, 0);
    }
}

impl XskPort {
    /// Same as `kick_ring`, for the line.
    pub(super) fn kick_line(&mut self, pool: &mut Pool, until_ns: u64) -> Kick {
        if self.down && self.is_still_down() {
            return Kick::Down;
        }
        let Some(mut line) = self.line.take() else { return Kick::Idle };
        let waiting = line.len();
        if waiting > 0 {
            self.stats.kicks += 1;
        }
        let mut outcome = Outcome::Sent;
        for _ in 0..MOST_CALLS {
            outcome = self.send_some(pool, &mut line);
            if line.frames.is_empty() || matches!(outcome, Outcome::Busy | Outcome::Down) {
                break;
            }
            if sys::clock_monotonic_ns() > until_ns {
                break;
            }
        }
        let left = line.len();
        self.line = Some(line);
        self.tx_room = self.tx_size.saturating_sub(left);
        if outcome == Outcome::Down {
            self.down = true;
            return Kick::Down;
        }
        match waiting - left {
            0 if left == 0 => Kick::Idle,
            0 => Kick::Again,
            taken => Kick::Progress(taken as usize),
        }
    }

    /// This port's ring is empty, so the call only reports the state.
    fn is_still_down(&mut self) -> bool {
        match sending(&mut self.sender, &mut self.queues) {
            Some(rings) => {
                let answer = Answer::of(sys::kick(rings.fd()));
                self.note(answer);
            }
            None => self.down = !self.vnet.is_up(),
        }
        self.down
    }

    /// Sends one call's worth. Any outcome but `Busy` and `Down` has made the line shorter.
    fn send_some(&mut self, pool: &mut Pool, line: &mut Line) -> Outcome {
        let (front, _) = line.frames.as_slices();
        let batch = front.get(..BATCH).unwrap_or(front);
        if batch.is_empty() {
            return Outcome::Sent;
        }
        let (sent, outcome) = self.vnet.send_frames(pool, batch);
        for _ in 0..sent {
            let Some(idx) = line.frames.pop_front() else { break };
            self.stats.vnet_packets += 1;
            self.stats.tx_packets += 1;
            self.stats.tx_bytes += u64::from(pool.len_of(idx));
            self.leave(pool, idx);
        }
        if sent > 0 {
            line.refused = 0;
            line.wait_anew();
        }
        match outcome {
            Outcome::Sent => outcome,
            Outcome::Down => {
                line.wait_anew();
                outcome
            }
            Outcome::Busy => {
                self.stats.vnet_refused += 1;
                self.stats.kick_again += 1;
                let is_late = line.refuse(sys::clock_monotonic_ns());
                if is_late || line.refused % ASK_EVERY == 1 && !self.vnet.has_carrier() {
                    // The other end does not read, or is down, and old frames are not worth keeping.
                    self.lose(pool, line, Reason::TxBusy, usize::MAX);
                    return Outcome::Sent;
                }
                Outcome::Busy
            }
            Outcome::Lost(reason) => {
                self.lose(pool, line, reason, 1);
                Outcome::Sent
            }
        }
    }

    /// Loses all frames of the line, if there is one, and returns their number.
    pub(super) fn empty_line(&mut self, pool: &mut Pool, reason: Reason) -> usize {
        let Some(mut line) = self.line.take() else { return 0 };
        let frames = line.frames.len();
        self.lose(pool, &mut line, reason, usize::MAX);
        self.line = Some(line);
        frames
    }

    fn lose(&mut self, pool: &mut Pool, line: &mut Line, reason: Reason, most: usize) {
        for _ in 0..most {
            let Some(idx) = line.frames.pop_front() else { break };
            self.stats.losses.add(reason, 1);
            self.leave(pool, idx);
        }
        if line.frames.is_empty() {
            line.wait_anew();
        }
    }

    fn leave(&mut self, pool: &mut Pool, idx: u32) {
        invariant!(self.outstanding > 0, "more left the line than was sent");
        self.outstanding = self.outstanding.saturating_sub(1);
        pool.free_index(idx);
    }
}

#[cfg(test)]
mod tests;
