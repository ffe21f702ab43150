//! Listens, counts, and answers: a sink acknowledges the end, a reflector answers everything.
//!
//! Invariant: it reads until it is stopped or its senders have ended, and then the rest of the queue;
//! drops of the socket itself are counted apart. An answer is made from the datagram it answers and is
//! as long, so that both directions carry the same load and it never amplifies what a sender sent.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::poll::PollFlags;
use weir_port::clock_monotonic_ns;

use super::book::Book;
use super::report::{SinkReport, VERSION};
use super::socket::{self, Batch, Letter};
use super::wire::{Header, Kind, Stamp, Turned};
use super::{ProbeError, nanos};

/// How often the stop flag is read.
const LOOK: Duration = Duration::from_millis(20);
/// The longest time for emptying the queue after a stop: under a flood it never becomes empty.
const STOPPING_NS: u64 = 200_000_000;
/// The time after all senders have ended, for stragglers, and for ends repeated because their answer
/// was lost.
const LINGER_NS: u64 = 250_000_000;

#[derive(Clone, Debug, Default)]
pub struct Options {
    pub bind: Option<IpAddr>,
    pub port: u16,
    pub reflect: bool,
    /// The kernel stamps the time of arrival.
    pub kernel_stamps: bool,
    pub duration: Option<Duration>,
    pub count: Option<u64>,
    /// Continue when the senders have ended.
    pub keep: bool,
    /// Also count datagrams with a [`Stamp`]; timed by this machine's monotonic clock.
    pub stamps: bool,
    pub core: Option<usize>,
}

/// A socket that already listens.
#[derive(Debug)]
pub struct Sink {
    socket: UdpSocket,
    at: SocketAddr,
    options: Options,
}

struct Run<'a> {
    sink: &'a Sink,
    book: Book,
    batch: Batch,
    unanswered: u64,
    began_ns: u64,
    dropped: u64,
}

impl Sink {
    pub fn open(options: Options) -> Result<Self, ProbeError> {
        let socket = socket::listener(options.bind, options.port)?;
        if options.kernel_stamps {
            let failed = ProbeError::io("cannot have the kernel stamp datagrams");
            socket::stamp(&socket).map_err(failed)?;
        }
        let at = socket.local_addr().map_err(ProbeError::io("the socket has no address"))?;
        Ok(Self { socket, at, options })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// Runs on the calling thread. With `keep`, `each` gets a report each time that all senders have
    /// ended. `heard` counts the datagrams that have come so far.
    pub fn run(
        &self,
        stop: &AtomicBool,
        heard: &AtomicU64,
        mut each: impl FnMut(SinkReport),
    ) -> Result<SinkReport, ProbeError> {
        socket::ready_thread(self.options.core)?;
        let mut run = Run {
            sink: self,
            book: Book::new(socket::host()),
            batch: Batch::default(),
            unanswered: 0,
            began_ns: clock_monotonic_ns(),
            dropped: 0,
        };
        let mut quiet_since = run.began_ns;
        let mut told_ns = None;
        let failed = || ProbeError::io(format!("receiving on {}", self.at));
        loop {
            let left = self.options.count.map_or(u64::MAX, |count| count - run.book.counted);
            let got = run.batch.receive(&self.socket, left).map_err(failed())?;
            let now = clock_monotonic_ns();
            if got > 0 {
                run.take();
                heard.store(run.book.counted, Ordering::Relaxed);
                quiet_since = now;
            }
            let all_ended = run.book.all_ended() && now - quiet_since >= LINGER_NS;
            if all_ended && self.options.keep {
                each(run.report());
                run.again();
            }
            let over = self.options.duration.is_some_and(|time| now - run.began_ns >= nanos(time));
            let enough = self.options.count.is_some_and(|count| run.book.counted >= count);
            let done = enough || (all_ended && !self.options.keep);
            let stopped = stop.load(Ordering::Relaxed) && {
                let told = *told_ns.get_or_insert(now);
                got == 0 || now - told >= STOPPING_NS
            };
            if done || over || stopped {
                return Ok(run.report());
            }
            if got == 0 {
                socket::wait(&self.socket, PollFlags::POLLIN, LOOK).map_err(failed())?;
            }
        }
    }
}

impl Run<'_> {
    fn take(&mut self) {
        let Self { sink, book, batch, unanswered, .. } = self;
        for (letter, datagram) in batch.letters() {
            let header = Header::read(datagram);
            match header.map(|header| (header, header.kind)) {
                Some((header, Kind::Data)) => {
                    // Answering a second copy would count as a duplicate of the way back.
                    let new = book.take(&letter, &header);
                    if let Some(replied) = new.filter(|_| sink.options.reflect) {
                        let sent = sink.reply(&letter, datagram, &header, *replied);
                        *replied += u64::from(sent);
                        *unanswered += u64::from(!sent);
                    }
                }
                Some((header, Kind::End(totals))) => {
                    if let Some((number, came)) = book.end(letter.from, &header, totals) {
                        Header { kind: Kind::Ack(came), number, ..header }.write(datagram);
                        // If the answer is lost or refused, the sender asks again.
                        let _ = sink.socket.send_to(datagram, letter.from);
                    }
                }
                Some(_) => book.foreign += 1,
                None => match Stamp::read(datagram).filter(|_| sink.options.stamps) {
                    Some(stamp) => {
                        let letter = Letter { kernel_ns: None, ..letter };
                        book.take(&letter, &stamp.header(book.host));
                    }
                    None => book.foreign += 1,
                },
            }
        }
    }

    fn report(&mut self) -> SinkReport {
        let dropped = socket::dropped(&self.sink.socket).unwrap_or(0);
        SinkReport {
            version: VERSION,
            kind: if self.sink.options.reflect { "reflect" } else { "sink" },
            listening: self.sink.at.to_string(),
            timestamps: if self.sink.options.kernel_stamps { "kernel" } else { "user" },
            elapsed_ns: clock_monotonic_ns() - self.began_ns,
            foreign: self.book.foreign,
            unkept: self.book.unkept,
            socket_dropped: dropped - std::mem::replace(&mut self.dropped, dropped),
            unanswered: self.unanswered,
            sessions: self.book.sessions(),
        }
    }

    /// Starts over for the next senders.
    fn again(&mut self) {
        self.book.clear();
        (self.book.foreign, self.book.unkept, self.unanswered) = (0, 0, 0);
    }
}

impl Sink {
    fn reply(&self, letter: &Letter, datagram: &mut [u8], header: &Header, number: u64) -> bool {
        let (received_ns, sent_ns) = (letter.monotonic_ns, clock_monotonic_ns());
        let kind = Kind::Reply(Turned { received_ns, sent_ns, number });
        // False if the question is too short for an answer.
        Header { kind, ..*header }.write(datagram) && {
            let send = || self.socket.send_to(datagram, letter.from);
            // An earlier answer was refused: the kernel reports that now, and sends nothing.
            let refused = |error: io::Error| match error.kind() {
                io::ErrorKind::ConnectionRefused => send(),
                _ => Err(error),
            };
            send().or_else(refused).is_ok()
        }
    }
}
