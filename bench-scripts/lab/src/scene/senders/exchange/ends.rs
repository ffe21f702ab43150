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
    if !halt.wait_until(times.start) {
        return Ok(heard);
    }
    line.moved = Instant::now();
    let (mut asked, mut answers) = (line.moved, 0_u64);
    while line.all(terms.request, Line::write)? && line.all(terms.response, Line::read)? {
        let now = Instant::now();
        let took = u64::try_from((now - asked).as_nanos()).unwrap_or(u64::MAX);
        times.around(now).for_each(|at| heard[at].times.record(took));
        answers += 1;
        asked = now;
        if now >= times.stop || halt.is_said() {
            break;
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

/// Answers every request once it is complete. The client reports how a connection ended.
pub(super) fn serve(stream: TcpStream, terms: Terms, times: &Times, halt: &Halt) -> Result<Tally> {
    let mut served = vec![Counted::default(); times.windows.len()];
    let mut line = Line::new(stream, times.stop + GRACE, halt)?;
    let mut left = terms.request;
    while let Ok(Some(bytes)) = line.read(left) {
        times.around(line.moved).for_each(|at| served[at].received += bytes as u64);
        left = left.saturating_sub(bytes);
        if left == 0 {
            left = terms.request;
            if !line.all(terms.response, Line::write).unwrap_or(false) {
                break;
            }
        }
    }
    Ok(served)
}

/// One end of a connection. Nothing here blocks for longer than [`LOOK`], so that the end of its time is
/// noticed.
#[derive(Debug)]
struct Line<'a> {
    stream: TcpStream,
    halt: &'a Halt,
    until: Instant,
    /// The last time of any progress.
    moved: Instant,
    buffer: Vec<u8>,
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

    /// Waits to read at most `most` bytes; `None` when the time is over.
    fn read(&mut self, most: usize) -> Result<Option<usize>> {
        self.step(most, |stream, buffer| stream.read(buffer))
    }

    /// Waits to write at most `most` bytes; `None` when the time is over.
    fn write(&mut self, most: usize) -> Result<Option<usize>> {
        self.step(most, |stream, buffer| stream.write(buffer))
    }

    fn step(
        &mut self,
        most: usize,
        io: fn(&mut TcpStream, &mut [u8]) -> io::Result<usize>,
    ) -> Result<Option<usize>> {
        // Only a client's errors are reported.
        const CLOSED: &str = "the server has hung up";
        loop {
            let done = io(&mut self.stream, &mut self.buffer[..most.min(PIECE)]);
            let now = Instant::now();
            match done {
                Ok(0) => bail!(CLOSED),
                Ok(_) if now >= self.until => return Ok(None),
                Ok(bytes) => {
                    self.moved = now;
                    return Ok(Some(bytes));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                        if now >= self.until || self.halt.is_said() {
                            return Ok(None);
                        }
                    }
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => bail!(CLOSED),
                    _ => return Err(error).context("the connection broke"),
                },
            }
        }
    }

    /// Moves exactly `left` bytes; false if the time is over before.
    fn all(
        &mut self,
        mut left: usize,
        way: fn(&mut Self, usize) -> Result<Option<usize>>,
    ) -> Result<bool> {
        while left > 0 {
            let Some(bytes) = way(self, left)? else { return Ok(false) };
            left -= bytes.min(left);
        }
        Ok(true)
    }
}
