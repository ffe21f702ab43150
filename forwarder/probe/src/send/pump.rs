//! Sends by the schedule into the sockets. Invariant: each turn of the schedule ends as sent, refused
//! or overdue, and only sent datagrams get numbers.

use std::io::IoSlice;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg};
use weir_port::{clock_monotonic_ns, clock_realtime_ns};

use super::super::rate::{Rate, Schedule};
use super::super::report::{SendReport, VERSION};
use super::super::wire::{Header, Kind, Session, Stamp};
use super::super::{ProbeError, nanos, socket};
use super::{Front, Order, Progress};

/// The longest sleep: how often the stop flag is read.
const NAP_NS: u64 = 20_000_000;
/// How often a call is repeated: a call that reports a pending network error sends nothing.
const TOLD: u32 = 3;
/// At rate `max`: how long to wait for room in the send buffer, and how often at most.
const ROOM: Duration = Duration::from_millis(10);
const WAITS: u32 = 10_000;

struct Item {
    flow: usize,
    size: usize,
    due_ns: u64,
}

pub(super) struct Pump<'a> {
    order: &'a Order,
    sockets: &'a [UdpSocket],
    session: Session,
    schedule: Schedule,
    items: Vec<Item>,
    buffers: Vec<Vec<u8>>,
    headers: MultiHeaders<()>,
    began_ns: u64,
    /// The number of datagrams sent by flow: the next number.
    sent: &'a Progress,
    /// What was sent; the answers and the time are missing.
    pub(super) report: SendReport,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        order: &'a Order,
        sockets: &'a [UdpSocket],
        session: Session,
        sent: &'a Progress,
    ) -> Self {
        let batch = order.batch.max(1);
        Self {
            order,
            sockets,
            session,
            schedule: Schedule::new(order.rate, order.burst),
            items: Vec::with_capacity(batch),
            buffers: vec![vec![0; order.sizes.largest() as usize]; batch],
            headers: MultiHeaders::preallocate(batch, None),
            began_ns: 0,
            sent,
            report: SendReport {
                version: VERSION,
                kind: "send",
                target: order.target.to_string(),
                session: session.to_string(),
                flows: order.flows.into(),
                rate: order.rate.to_string(),
                size: order.sizes.to_string(),
                burst: order.burst,
                ..SendReport::default()
            },
        }
    }

    /// Sends until everything is sent, the time is over, or `stop` is set.
    pub(super) fn run(&mut self, stop: &AtomicBool) -> Result<(), ProbeError> {
        socket::ready_thread(self.order.core)?;
        let end_ns = self.order.duration.map_or(u64::MAX, nanos);
        let latest_ns = end_ns.saturating_add(nanos(self.order.grace));
        self.began_ns = clock_monotonic_ns();
        while !stop.load(Ordering::Relaxed) && self.wants(end_ns) {
            let (now, due) = (clock_monotonic_ns() - self.began_ns, self.schedule.due_ns());
            if self.order.rate == Rate::Max && now >= end_ns {
                break;
            }
            if now < due {
                self.nap(due - now);
            } else if now >= latest_ns {
                self.give_up(end_ns);
                break;
            } else {
                self.gather(now, end_ns);
                self.send_gathered(stop)?;
            }
        }
        self.report.elapsed_ns = clock_monotonic_ns() - self.began_ns;
        Ok(())
    }

    /// Whether another datagram is due before the end.
    fn wants(&self, end_ns: u64) -> bool {
        let more = self.order.count.is_none_or(|count| self.schedule.turns() < count);
        more && self.schedule.due_ns() < end_ns
    }

    fn nap(&self, ns: u64) {
        if self.order.spin {
            std::hint::spin_loop();
        } else {
            std::thread::sleep(Duration::from_nanos(ns.min(NAP_NS)));
        }
    }

    /// Counts datagrams that were due within the time and could not be sent by the end of the grace.
    fn give_up(&mut self, end_ns: u64) {
        let frame = self.order.sizes.mean() + u64::from(self.order.overhead());
        let planned = self.schedule.planned(end_ns, frame);
        let planned = self.order.count.map_or(planned, |count| count.min(planned));
        self.report.overdue = planned.saturating_sub(self.schedule.turns());
    }

    /// Collects the datagrams that are due now, at most a batch.
    fn gather(&mut self, now: u64, end_ns: u64) {
        self.items.clear();
        while self.items.len() < self.buffers.len() && self.wants(end_ns) {
            let due_ns = self.schedule.due_ns();
            if due_ns > now {
                break;
            }
            let turn = self.schedule.turns();
            let size = self.order.sizes.nth(turn);
            let flow = (turn % self.sockets.len() as u64) as usize;
            self.items.push(Item { flow, size: size as usize, due_ns });
            self.schedule.turn(size + self.order.overhead());
        }
    }

    /// Sends flow by flow: datagrams of one flow stay in order.
    fn send_gathered(&mut self, stop: &AtomicBool) -> Result<(), ProbeError> {
        let items = std::mem::take(&mut self.items);
        let flows = self.sockets.len();
        for first in 0..flows.min(items.len()) {
            let of_one: Vec<&Item> = items.iter().skip(first).step_by(flows).collect();
            self.send_flow(&of_one, stop)?;
        }
        self.items = items;
        Ok(())
    }

    fn send_flow(&mut self, items: &[&Item], stop: &AtomicBool) -> Result<(), ProbeError> {
        let (mut rest, mut told, mut waits) = (items, 0, 0);
        while let Some(first) = rest.first() {
            let both = self.sockets.get(first.flow).zip(self.sent.get(first.flow));
            let Some((socket, number)) = both else { return Ok(()) };
            let next = number.load(Ordering::Relaxed);
            let now = self.stamp(rest, next);
            match self.call(socket, rest) {
                Ok(taken) => {
                    let (sent, left) = rest.split_at(taken.min(rest.len()));
                    self.count(sent, now);
                    number.store(next + sent.len() as u64, Ordering::Relaxed);
                    (rest, told, waits) = (left, 0, 0);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH) if told < TOLD => {
                    self.report.unreachable += 1;
                    told += 1;
                }
                Err(Errno::EAGAIN | Errno::ENOBUFS)
                    if self.order.rate == Rate::Max && waits < WAITS =>
                {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    // ENOBUFS comes from the device: poll does not wait for it.
                    let ready = socket::wait(socket, PollFlags::POLLOUT, ROOM).unwrap_or(false);
                    if ready {
                        std::thread::yield_now();
                    }
                    waits += 1;
                }
                Err(error @ Errno::EMSGSIZE) => {
                    let what = format!("{} bytes to {}", first.size, self.order.target);
                    return Err(ProbeError::io(what)(error.into()));
                }
                Err(error) => {
                    *self.report.refused.entry(format!("{error:?}")).or_default() += 1;
                    rest = rest.get(1..).unwrap_or_default();
                    (told, waits) = (0, 0);
                }
            }
        }
        Ok(())
    }

    /// Writes the headers or stamps of one flow into the buffers; returns the time since the start.
    fn stamp(&mut self, items: &[&Item], first_number: u64) -> u64 {
        let monotonic_ns = clock_monotonic_ns();
        let timed = self.order.front == Front::Header;
        let realtime_ns = if timed { clock_realtime_ns() } else { 0 };
        for (number, (item, buffer)) in (first_number..).zip(items.iter().zip(&mut self.buffers)) {
            match self.order.front {
                Front::Header => {
                    let (kind, flow, session) = (Kind::Data, item.flow as u16, self.session);
                    Header { kind, flow, session, number, monotonic_ns, realtime_ns }.write(buffer);
                }
                Front::Stamp { flow } => {
                    Stamp { flow, number: number as u32, sent_ns: monotonic_ns }.write(buffer);
                }
                Front::Blank => {}
            }
        }
        monotonic_ns - self.began_ns
    }

    /// Hands all of them to the kernel in one call; returns how many it accepted.
    fn call(&mut self, socket: &UdpSocket, items: &[&Item]) -> Result<usize, Errno> {
        let slices: Vec<[IoSlice<'_>; 1]> = items
            .iter()
            .zip(&self.buffers)
            .map(|(item, buffer)| [IoSlice::new(buffer.get(..item.size).unwrap_or_default())])
            .collect();
        let nowhere = vec![None; slices.len()];
        let flags = MsgFlags::MSG_DONTWAIT;
        sendmmsg(socket.as_raw_fd(), &mut self.headers, &slices, &nowhere, [], flags)
            .map(Iterator::count)
    }

    fn count(&mut self, sent: &[&Item], now: u64) {
        for item in sent {
            self.report.datagrams += 1;
            self.report.bytes += item.size as u64;
            self.report.frame_bytes += item.size as u64 + u64::from(self.order.overhead());
            if self.order.rate != Rate::Max {
                self.report.lateness.record(now.saturating_sub(item.due_ns));
            }
        }
    }
}
