//! Asks the kernel to send, and interprets its answer.
//!
//! Invariant: each errno has one meaning. The number of calls per kick is bounded, and a device that takes
//! nothing is asked once.

use weir_core::Reason;

use super::{XskPort, sending};
use crate::port::Kick;
use crate::sys;

/// The most calls in one kick: a ring of 2048 at the 32 frames a call that older kernels send.
const MOST_CALLS: u32 = 64;

/// The kernel's answer to the request to send what is in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It took all that was in the ring.
    Sent,
    /// It took some or none: its budget for one call was used up, or the device, the completion ring or the
    /// socket's buffer is full. The descriptors stay in the ring.
    Again,
    /// The device dropped one frame, which is completed nevertheless. The rest waits.
    Dropped,
    Down,
    /// The kernel has no memory, or refuses for another reason. The descriptors stay in the ring.
    Refused,
}

impl Answer {
    pub(super) const fn of(errno: i32) -> Self {
        match errno {
            0 => Self::Sent,
            libc::EAGAIN | libc::EINTR => Self::Again,
            libc::EBUSY => Self::Dropped,
            libc::ENETDOWN | libc::ENXIO | libc::ENODEV => Self::Down,
            _ => Self::Refused,
        }
    }

    /// Whether another call now would send more. `moved`: this call took frames off the ring. `left`: frames
    /// are left. `whole_ring`: a call's budget is the whole ring.
    pub(super) const fn call_again(self, moved: bool, left: bool, whole_ring: bool) -> bool {
        match self {
            Self::Sent => moved && left,
            // With a small budget every call ends with this answer.
            Self::Again => moved && left && !whole_ring,
            // The consumer index is not always published with this answer, so `moved` and `left` may be
            // stale. The frame is gone in any case.
            Self::Dropped => true,
            Self::Down | Self::Refused => false,
        }
    }
}

impl XskPort {
    /// Frames in the transmit ring, or in the line, that the kernel has not taken.
    #[inline]
    pub(super) fn waiting(&mut self) -> u32 {
        if let Some(line) = &self.line {
            self.tx_room = self.tx_size.saturating_sub(line.len());
            return line.len();
        }
        let rings = sending(&mut self.sender, &mut self.queues);
        let free = rings.map_or(0, |rings| rings.tx.nb_free_exact());
        self.tx_room = free;
        self.tx_size.saturating_sub(free)
    }

    #[inline]
    pub(super) fn kick_ring(&mut self, until_ns: u64) -> Kick {
        self.flush();
        let waiting = self.waiting();
        // A port that was down is kicked even if nothing waits, to find out when it is up again.
        if waiting == 0 && !self.down {
            return Kick::Idle;
        }
        let mut left = waiting;
        let mut dropped = 0;
        for _ in 0..MOST_CALLS {
            let Some(rings) = sending(&mut self.sender, &mut self.queues) else { break };
            let answer = Answer::of(sys::kick(rings.fd()));
            let before = left;
            left = self.waiting();
            dropped += u32::from(answer == Answer::Dropped);
            self.note(answer);
            if !answer.call_again(left < before, left > 0, self.whole_ring_kicks) {
                break;
            }
            if sys::clock_monotonic_ns() > until_ns {
                break;
            }
        }
        if self.down {
            return Kick::Down;
        }
        // A dropped frame is progress, even if the index does not show it yet.
        match (waiting - left).max(dropped.min(waiting)) {
            0 if left == 0 => Kick::Idle,
            0 => Kick::Again,
            taken => Kick::Progress(taken as usize),
        }
    }

    pub(super) fn note(&mut self, answer: Answer) {
        let stats = &mut self.stats;
        stats.kicks += 1;
        self.down = answer == Answer::Down;
        match answer {
            Answer::Sent | Answer::Down | Answer::Refused => {}
            Answer::Again => stats.kick_again += 1,
            Answer::Dropped => {
                stats.losses.add(Reason::TxBusy, 1);
                self.dropped += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
