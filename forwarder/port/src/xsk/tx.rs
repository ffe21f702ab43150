//! The transmit ring and how the kernel is asked to empty it, the packet socket, and the order between both.
//!
//! Invariant: a packet leaves by the packet socket only when the kernel has taken everything that was put
//! into the ring before it. A ring is used only on devices with one transmit queue (see [`super::line`]). So
//! packets leave in the order in which they were sent. Each errno has one meaning. The number of calls per
//! kick is bounded, and a device that takes nothing is asked once.
//!
//! Frames wait here while the device takes nothing. Only those for a tap wait for a limited time (see
//! [`super::line`]). Its superframes are cut then, and their segments join its line.

use weir_core::offload::VnetHeader;
use weir_core::{Reason, broken};

use super::line::Line;
use super::{XskPort, sending};
use crate::egress::{Segments, TxPath};
use crate::packet::Packet;
use crate::pool::{Owner, Pool};
use crate::port::{Kick, Port as _, Refused};
use crate::sys;
use crate::vnet::Outcome;

/// A full device and one that drops every superframe give the same answer. A device that has refused for this
/// long, and this often, is treated as the latter: superframes are cut here, and their segments wait as
/// single frames do, so nothing is lost in either case.
pub(super) const REFUSED_NS: u64 = 500_000_000;
const REFUSED_TIMES: u32 = 64;
/// A device without a carrier gives the same answer; its state is queried once in this many attempts.
const ASK_EVERY: u32 = 16;

/// The state of a packet socket that has been taking nothing.
#[derive(Debug)]
pub(super) struct Refusing {
    since_ns: u64,
    times: u32,
    /// Waiting is useless: packets that cannot be cut are lost for this reason, until one is taken.
    hopeless: Option<Reason>,
}

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
    /// Whether the ring has room for this many frames; reads the ring if necessary.
    #[inline]
    pub(super) fn has_room(&mut self, frames: u32) -> bool {
        if self.tx_room < frames {
            self.flush();
            self.waiting();
        }
        self.tx_room >= frames
    }

    /// Gives a frame to the ring, which has room for it.
    #[inline]
    pub(super) fn stage(&mut self, pool: &mut Pool, idx: u32) {
        if let Some(line) = &mut self.line {
            line.push(idx);
        } else if let Some(desc) = pool.memory.tx_desc(idx, pool.len_of(idx)) {
            self.staged.push(desc);
        } else {
            broken!("a port's pool is in plain memory");
            pool.free_index(idx);
            self.stats.losses.add(Reason::TxError, 1);
            return;
        }
        pool.set_owner(idx, Owner::tx(self.slot));
        self.tx_room -= 1;
        self.outstanding += 1;
    }

    /// Puts staged frames into the ring, as far as there is room. The kernel takes what is in the ring
    /// whenever it is next asked to send, so frames stay staged until then.
    #[inline]
    pub(super) fn flush(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        if let Some(rings) = sending(&mut self.sender, &mut self.queues) {
            // SAFETY: the frames belong to this UMEM and are recorded as this port's to send: nothing touches
            // them until they are completed.
            let put = unsafe { rings.tx.produce(&self.staged) };
            self.staged.drain(..put);
        }
    }

    pub(super) fn send_by_socket(
        &mut self,
        pool: &mut Pool,
        packet: Packet,
        header: &VnetHeader,
    ) -> Result<(), Refused> {
        self.flush();
        if self.waiting() > 0 {
            self.kick(pool);
            if self.waiting() > 0 {
                let is_stuck = self.line.as_ref().is_some_and(Line::is_stuck);
                if is_stuck && packet.is_superframe() {
                    // Whole, it would wait until the line is lost, and a frame behind it as long again.
                    return self.send_cut_instead(pool, packet);
                }
                return Err(Refused::Full(packet));
            }
        }
        match self.vnet.send(pool, &packet, header) {
            Outcome::Sent => {
                self.refusing = None;
                self.stats.sent_by_socket(&packet);
                pool.release(packet);
                Ok(())
            }
            Outcome::Busy => self.refused(pool, packet),
            Outcome::Lost(reason) => Err(Refused::Lost(packet, reason)),
            Outcome::Down => {
                self.down = true;
                Err(Refused::Lost(packet, Reason::PortGone))
            }
        }
    }

    /// Handles a refusal of the packet socket: decides whether to wait or to give up.
    fn refused(&mut self, pool: &mut Pool, packet: Packet) -> Result<(), Refused> {
        self.stats.vnet_refused += 1;
        let now_ns = sys::clock_monotonic_ns();
        let fresh = || Refusing { since_ns: now_ns, times: 0, hopeless: None };
        let refusing = self.refusing.get_or_insert_with(fresh);
        refusing.times = refusing.times.saturating_add(1);
        if refusing.times % ASK_EVERY == 1 {
            let waited_ns = now_ns.saturating_sub(refusing.since_ns);
            refusing.hopeless = if !self.vnet.has_carrier() {
                Some(Reason::TxBusy)
            } else if waited_ns > REFUSED_NS && refusing.times > REFUSED_TIMES {
                Some(Reason::TxError)
            } else {
                None
            };
        }
        match refusing.hopeless {
            None => Err(Refused::Full(packet)),
            Some(Reason::TxError) if packet.is_superframe() => self.send_cut_instead(pool, packet),
            Some(reason) => Err(Refused::Lost(packet, reason)),
        }
    }

    /// Cuts a superframe that the device does not take whole.
    #[cold]
    fn send_cut_instead(&mut self, pool: &mut Pool, mut packet: Packet) -> Result<(), Refused> {
        match self.egress.without_device(pool, &mut packet) {
            Ok(TxPath::Segment(how)) => self.send_cut(pool, packet, &how),
            Ok(_) => Err(Refused::Lost(packet, Reason::TxError)),
            Err(reason) => Err(Refused::Lost(packet, reason)),
        }
    }

    pub(super) fn send_cut(
        &mut self,
        pool: &mut Pool,
        packet: Packet,
        how: &Segments,
    ) -> Result<(), Refused> {
        let cut = match pool.plan_segments(&packet, how, self.tx_size as usize) {
            Ok(cut) => cut,
            Err(reason) => return Err(Refused::Lost(packet, reason)),
        };
        let count = cut.count();
        if !self.has_room(count) {
            return Err(Refused::Full(packet));
        }
        if let Err(reason) = pool.cut_segments(&cut, &packet, |pool, idx| self.stage(pool, idx)) {
            return Err(Refused::Lost(packet, reason));
        }
        self.stats.cut(count as usize);
        pool.release(packet);
        Ok(())
    }

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
