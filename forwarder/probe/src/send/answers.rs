//! Answers, while sending and afterwards. Invariant: an answer counts only if it belongs to this
//! session; an end is repeated until it is acknowledged, a few times at most.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use weir_port::{clock_monotonic_ns, clock_realtime_ns};

use super::super::ProbeError;
use super::super::socket::Batch;
use super::super::trips::Trips;
use super::super::wire::{FULL_LEN, Header, Kind, Session, Totals};

/// How often an end is sent, and how long to wait for its answer.
const ROUNDS: u32 = 5;
const ROUND: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(5);
const EVENTS: usize = 64;

pub(super) struct Answers<'a> {
    sockets: &'a [UdpSocket],
    session: Session,
    ready: Epoll,
    trips: Mutex<Trips>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(sockets: &'a [UdpSocket], session: Session) -> Result<Self, ProbeError> {
        let failed = |error: nix::Error| ProbeError::io("epoll")(error.into());
        let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        for (flow, socket) in sockets.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, flow as u64);
            ready.add(socket, event).map_err(failed)?;
        }
        let trips = Mutex::new(Trips::new(sockets.len() as u16));
        Ok(Self { sockets, session, ready, trips })
    }

    /// Receives until `done` is set; returns how many network errors reported that no socket listens.
    pub(super) fn listen(&self, done: &AtomicBool) -> Result<u64, ProbeError> {
        let mut batch = Batch::default();
        let mut events = vec![EpollEvent::empty(); EVENTS];
        while !done.load(Ordering::Relaxed) {
            let timeout = EpollTimeout::try_from(LOOK).unwrap_or(EpollTimeout::ZERO);
            let ready = self.ready.wait(&mut events, timeout).unwrap_or(0);
            for event in events.iter().take(ready) {
                let Some(socket) = self.sockets.get(event.data() as usize) else { continue };
                let got = batch.receive(socket, u64::MAX);
                if got.map_err(ProbeError::io("receiving answers"))? > 0 {
                    self.take(&mut batch);
                }
            }
        }
        Ok(batch.unreachable())
    }

    fn take(&self, batch: &mut Batch) {
        let mut trips = self.trips();
        for (letter, datagram) in batch.letters() {
            let header = Header::read(datagram).filter(|it| it.session == self.session);
            match header.map(|header| (header, header.kind)) {
                Some((header, Kind::Reply(turned))) => {
                    trips.reply(&header, turned, letter.monotonic_ns);
                }
                Some((header, Kind::Ack(came))) => trips.acknowledged(&header, came),
                _ => {}
            }
        }
    }

    /// Sends the totals to the other side and requests its counts, after the path has had time to
    /// drain; returns how many network errors reported that no socket listens.
    pub(super) fn ask(&self, numbers: &[u64], settle: Duration) -> u64 {
        std::thread::sleep(settle);
        let totals = Totals { flows: numbers.len() as u64, datagrams: numbers.iter().sum() };
        let mut unreachable = 0;
        for _ in 0..ROUNDS {
            let open: Vec<usize> = self.trips().open().collect();
            if open.is_empty() {
                break;
            }
            for flow in open {
                if let (Some(socket), Some(number)) = (self.sockets.get(flow), numbers.get(flow)) {
                    unreachable += u64::from(self.end(socket, flow, *number, totals));
                }
            }
            self.wait_round();
        }
        unreachable
    }

    fn wait_round(&self) {
        let start = clock_monotonic_ns();
        while clock_monotonic_ns() - start < ROUND.as_nanos() as u64
            && self.trips().open().next().is_some()
        {
            std::thread::sleep(LOOK);
        }
    }

    /// Whether the socket had a pending error that no socket listens.
    fn end(&self, socket: &UdpSocket, flow: usize, number: u64, totals: Totals) -> bool {
        let mut datagram = [0; FULL_LEN];
        let header = Header {
            kind: Kind::End(totals),
            flow: flow as u16,
            session: self.session,
            number,
            monotonic_ns: clock_monotonic_ns(),
            realtime_ns: clock_realtime_ns(),
        };
        header.write(&mut datagram);
        let refused = |sent: std::io::Result<usize>| {
            sent.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        };
        // The first call returns the pending error, and sends nothing.
        let told = refused(socket.send(&datagram));
        if told {
            let _ = socket.send(&datagram);
        }
        told
    }

    pub(super) fn trips(&self) -> MutexGuard<'_, Trips> {
        // The lock guards numbers only: a panic leaves nothing half done.
        self.trips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
