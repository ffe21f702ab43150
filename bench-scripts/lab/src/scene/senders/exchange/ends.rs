//! The loops of both ends. Invariant: an answer counts in the window in which its last byte came, but the
//! bytes of requests as they come, so that long requests do not count by the window in which they
//! happen to end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use system_tests::wait::Halt;

use super::{Counted, Tally, Terms};
use crate::scene::timeline::Times;

const LOOK: Duration = Duration::from_millis(50);
/// The most that is written or read at once.
const PIECE: usize = 256 << 10;

/// On a path that merely loses much, TCP retries more than once in this time.
const SILENCE: Duration = Duration::from_secs(5);
/// The server ends with its client; if the client can no longer close the connection, it ends after
/// this time.
const GRACE: Duration = Duration::from_secs(1);

/// Sends a request, waits for the whole answer, repeats.
pub(super) fn ask(stream: TcpStream, terms: Terms, times: &Times, halt: &Halt) -> Result<Tally> {
    let mut line = Line::new(stream, times.stop, halt)?;
    let mut heard = vec![Counted::default(); times.windows.len()];
    let mut answers = 0_u64;
    let in_time = halt.wait_until(times.start);
    line.moved = Instant::now();
    if in_time {
        let mut asked = Instant::now();
        loop {
            let mut ended = line.all(terms.request, Line::write)?;
            if ended.is_none() {
                ended = line.all(terms.response, Line::read)?;
            }
            let now = Instant::now();
            match ended {
                None => {
                    let took = u64::try_from((now - asked).as_nanos()).unwrap_or(u64::MAX);
                    times.around(now).for_each(|at| heard[at].times.record(took));
                    answers += 1;
                    asked = now;
                }
                Some(Step::Closed) => bail!("the server has hung up"),
                Some(_) => break,
            }
            if now >= times.stop || halt.is_said() {
                break;
            }
        }
    }
    let silence = Instant::now().saturating_duration_since(line.moved);
    // Much of a long record may be under way before the first is answered.
    let in_vain = answers == 0 && silence >= (times.stop - times.start) / 2;
    if !halt.is_said() && (in_vain || silence >= SILENCE) {
        bail!("the path is dead: nothing moved in the last {:.1} s", silence.as_secs_f64());
    }
    Ok(heard)
}

/// Answers every request once it is complete.
pub(super) fn serve(stream: TcpStream, terms: Terms, times: &Times, halt: &Halt) -> Result<Tally> {
    let mut served = vec![Counted::default(); times.windows.len()];
    let mut line = Line::new(stream, times.stop + GRACE, halt)?;
    // The client reports how a connection ended.
    let mut left = terms.request;
    while let Ok(Step::Moved(bytes)) = line.read(left) {
        times.around(line.moved).for_each(|at| served[at].received += bytes as u64);
        left = left.saturating_sub(bytes);
        if left == 0 {
            left = terms.request;
            if !matches!(line.all(terms.response, Line::write), Ok(None)) {
                break;
            }
        }
    }
    Ok(served)
}

/// One end of a connection. Nothing here blocks for longer than [`LOOK`], so that the end is noticed in
/// time.
#[derive(Debug)]
struct Line<'a> {
    stream: TcpStream,
    halt: &'a Halt,
    until: Instant,
    /// The last time of any progress.
    moved: Instant,
    buffer: Vec<u8>,
}

/// The result of one wait for the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Moved(usize),
    /// The far end has closed the connection.
    Closed,
    /// The time is over.
    Over,
}

impl<'a> Line<'a> {
    fn new(stream: TcpStream, until: Instant, halt: &'a Halt) -> Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(LOOK))?;
        // Unsent data is discarded when the traffic is over.
        let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&stream, sockopt::Linger, &at_once).context("SO_LINGER")?;
        Ok(Self { stream, halt, until, moved: Instant::now(), buffer: vec![0; PIECE] })
    }

    /// Waits to read at most `most` bytes.
    fn read(&mut self, most: usize) -> Result<Step> {
        self.step(most, |stream, buffer| stream.read(buffer))
    }

    /// Waits to write at most `most` bytes.
    fn write(&mut self, most: usize) -> Result<Step> {
        self.step(most, |stream, buffer| stream.write(buffer))
    }

    fn step(
        &mut self,
        most: usize,
        io: fn(&mut TcpStream, &mut [u8]) -> io::Result<usize>,
    ) -> Result<Step> {
        loop {
            let done = io(&mut self.stream, &mut self.buffer[..most.min(PIECE)]);
            let now = Instant::now();
            match done {
                Ok(0) => return Ok(Step::Closed),
                Ok(_) if now >= self.until => return Ok(Step::Over),
                Ok(bytes) => {
                    self.moved = now;
                    return Ok(Step::Moved(bytes));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                        if now >= self.until || self.halt.is_said() {
                            return Ok(Step::Over);
                        }
                    }
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Ok(Step::Closed),
                    _ => return Err(error).context("the connection broke"),
                },
            }
        }
    }

    /// Moves exactly `left` bytes; returns what ended it earlier.
    fn all(
        &mut self,
        mut left: usize,
        way: fn(&mut Self, usize) -> Result<Step>,
    ) -> Result<Option<Step>> {
        while left > 0 {
            match way(self, left)? {
                Step::Moved(bytes) => left -= bytes.min(left),
                ended => return Ok(Some(ended)),
            }
        }
        Ok(None)
    }
}
