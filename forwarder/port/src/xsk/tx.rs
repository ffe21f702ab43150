//! The transmit ring, the packet socket, and the order between them.
//!
//! Invariant: a packet leaves by the packet socket only when the kernel has taken everything that was put
//! into the ring before it. A ring is used only on devices with one transmit queue (see [`super::line`]). So
//! packets leave in the order in which they were sent.
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
use crate::port::{Port as _, Refused};
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

    pub(super) fn send_cut(&mut self, pool: &mut Pool, packet: Packet, how: &Segments) -> Result<(), Refused> {
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
}
