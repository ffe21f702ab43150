//! Answers every request when all of it is there. Invariant: what comes is counted as it comes, so
//! that long requests do not count by the window in which they happen to end.

use std::net::TcpStream;
use std::time::Duration;

use system_tests::wait::Halt;

use super::Terms;
use super::line::{Line, Step};
use crate::scene::senders::flows::Times;

/// It ends with its client; one whose client cannot say so any more ends so long after.
const GRACE: Duration = Duration::from_secs(1);

/// By window.
#[derive(Debug, Default)]
pub(super) struct Served {
    pub(super) received: Vec<u64>,
    pub(super) cpu: Vec<Duration>,
}

pub(super) fn serve(stream: TcpStream, terms: &Terms, times: &Times, halt: Halt) -> Served {
    let mut served = Served { received: vec![0; times.windows.len()], cpu: Vec::new() };
    // Without a server the client says what is wrong.
    let Ok(mut line) = Line::new(stream, times, times.stop + GRACE, halt) else { return served };
    let mut left = terms.request;
    while let Ok(Step::Moved(bytes)) = line.read(left) {
        for at in times.around(line.moved) {
            if let Some(received) = served.received.get_mut(at) {
                *received += bytes as u64;
            }
        }
        left = left.saturating_sub(bytes);
        if left == 0 {
            left = terms.request;
            if !matches!(line.all(terms.response, Line::write), Ok(None)) {
                break;
            }
        }
    }
    served.cpu = line.cpu.finish();
    served
}
