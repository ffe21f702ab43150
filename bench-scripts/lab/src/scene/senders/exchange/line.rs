//! One end of a connection. Invariant: nothing here blocks for longer than [`LOOK`], so that the end is
//! noticed in time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use system_tests::wait::Halt;

const LOOK: Duration = Duration::from_millis(50);
/// The most that is written or read at once.
const PIECE: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Line<'a> {
    stream: TcpStream,
    halt: &'a Halt,
    until: Instant,
    /// The last time of any progress.
    pub(super) moved: Instant,
    buffer: Vec<u8>,
}

/// The result of one wait for the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Moved(usize),
    /// The far end has closed the connection.
    Closed,
    /// The time is over.
    Over,
}

impl<'a> Line<'a> {
    pub(super) fn new(stream: TcpStream, until: Instant, halt: &'a Halt) -> Result<Self> {
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
    pub(super) fn read(&mut self, most: usize) -> Result<Step> {
        self.step(most, |stream, buffer| stream.read(buffer))
    }

    /// Waits to write at most `most` bytes.
    pub(super) fn write(&mut self, most: usize) -> Result<Step> {
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
    pub(super) fn all(
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
