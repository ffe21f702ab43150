//! The loops of both ends. Invariant: an answer counts in the window in which its last byte came, but the
//! bytes of requests as they come, so that long requests do not count by the window in which they
//! happen to end.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use system_tests::wait::Halt;

use super::line::{Line, Step};
use super::{Counted, Tally, Terms};
use crate::scene::senders::flows::Times;

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
