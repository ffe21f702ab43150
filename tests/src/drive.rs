//! What most tests do on a bed: everybody talks to everybody.

use crate::bed::{Bed, FAMILIES, Family};
use crate::traffic::{Pace, Sink, Source, ping};
use crate::{Guest, wait::wait_ok};
use anyhow::{Result, ensure};
use std::time::Duration;

/// Echoes from the first guest to every other one and the uplink host, over both families.
pub fn ping_all(bed: &Bed) -> Result<()> {
    let first = bed.guest(0)?;
    for other in bed.guests.iter().skip(1).chain([&bed.uplink]) {
        for family in FAMILIES {
            ping(&first.ns, other.addr(family), 3)?;
        }
    }
    Ok(())
}

/// Waits until an echo comes back: for what follows a change that takes effect in its own time.
pub fn reachable(from: &Guest, to: &Guest, deadline: Duration) -> Result<()> {
    let what = format!("{} to reach {}", from.port, to.port);
    wait_ok(deadline, &what, || ping(&from.ns, to.addr(Family::V4), 1))
}

/// Sends `count` datagrams at a rate every path takes and insists that each comes once.
pub fn udp_exact(from: &Guest, to: &Guest, family: Family, size: usize, count: u64) -> Result<()> {
    // What waits for a neighbour's answer is sent where the answer comes in, on another core than what
    // follows, and may come behind it.
    if !knows(from, to, family)? {
        wait_ok(Duration::from_secs(10), "the first echo", || ping(&from.ns, to.addr(family), 1))?;
    }
    let sink = Sink::start(&to.ns, to.socket(family, 0))?;
    // On one core: a sender that is moved has datagrams in the backlogs of two, and which of them the
    // kernel comes to first nobody knows.
    let (pace, core) = (Pace::Rate(5000), Some(0));
    let source = Source { size, count, pace, core, ..Source::to(sink.addr()) };
    let sent = source.send(&from.ns)?;
    sink.wait_for(count, Duration::from_secs(5))?;
    let received = sink.finish()?;
    let unique = received.unique(0);
    let once = received.duplicates == 0 && received.reordered == 0 && received.foreign == 0;
    ensure!(
        sent.frames == count && unique == count && once,
        "{} -> {}, {size} bytes: sent {}, came {unique}, {} twice, {} late, {} foreign",
        from.port,
        to.port,
        sent.frames,
        received.duplicates,
        received.reordered,
        received.foreign
    );
    Ok(())
}

/// Whether the sender's kernel has the receiver's link address.
fn knows(from: &Guest, to: &Guest, family: Family) -> Result<bool> {
    let known = from.ns.ip(&format!("neighbour show {}", to.addr(family)))?;
    Ok(known.contains("lladdr"))
}
