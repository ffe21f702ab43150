//! Answers every request once it is complete. Invariant: bytes are counted as they come, so that long
//! requests do not count by the window in which they happen to end.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;

use system_tests::wait::Halt;

use super::line::{Line, Step};
use super::{Tally, Terms};
use crate::scene::senders::flows::Times;

/// The server ends with its client; if the client can no longer close the connection, it ends after
/// this time.
const GRACE: Duration = Duration::from_secs(1);

pub(super) fn serve(stream: TcpStream, terms: &Terms, times: &Times, halt: Halt) -> Result<Tally> {
    let mut served = Tally { times: Vec::new(), received: vec![0; times.windows.len()] };
    let mut line = Line::new(stream, times.stop + GRACE, halt)?;
    // The client reports how a connection ended.
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
    Ok(served)
}
