//! Sends a request, waits for the whole answer, repeats. Invariant: an answer counts in the window in
//! which its last byte came.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use system_tests::wait::Halt;

use super::line::{Line, Step};
use super::{Tally, Terms};
use crate::scene::senders::flows::Times;

/// On a path that merely loses much, TCP retries more than once in this time.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) fn ask(stream: TcpStream, terms: &Terms, times: &Times, halt: Halt) -> Result<Tally> {
    let mut line = Line::new(stream, times.stop, halt)?;
    let mut heard = Tally::new(times.windows.len())?;
    let mut answers = 0_u64;
    if line.wait_until(times.start) {
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
                    for at in times.around(now) {
                        if let Some(times) = heard.times.get_mut(at) {
                            times.saturating_record(took);
                        }
                    }
                    answers += 1;
                    asked = now;
                }
                Some(Step::Closed) => bail!("the server has hung up"),
                Some(_) => break,
            }
            if now >= times.stop || line.is_halted() {
                break;
            }
        }
    }
    let silence = Instant::now().saturating_duration_since(line.moved);
    // Much of a long record may be under way before the first is answered.
    let in_vain = answers == 0 && silence >= (times.stop - times.start) / 2;
    if !line.is_halted() && (in_vain || silence >= SILENCE) {
        bail!("the path is dead: nothing moved in the last {:.1} s", silence.as_secs_f64());
    }
    Ok(heard)
}
