//! The traffic of most tests on a bed: between all guests and the uplink host.

use crate::bed::{Bed, FAMILIES, Family};
use crate::gate::SOON;
use crate::traffic::{Rate, Sending, Sink, Source, echo, ping, tcp};
use crate::{Guest, wait::wait_ok};
use anyhow::{Result, ensure};
use std::time::Duration;
use weir_probe::report::{SessionReport, SinkReport};

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

/// Sends echoes, exact UDP and TCP between two guests, and between a guest and the uplink host.
pub fn everybody_talks(bed: &Bed) -> Result<()> {
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    ping_all(bed)?;
    for family in FAMILIES {
        for (from, to) in [(one, two), (one, up), (up, one)] {
            for size in [16, 200, 1400] {
                udp_exact(from, to, family, size, 300)?;
            }
            let result = tcp(from, to, family, 1, Duration::from_secs(1), &[])?;
            ensure!(result.bytes > 1_000_000, "{} -> {}: {result:?}", from.port, to.port);
        }
    }
    Ok(())
}

/// Frames of exactly the bed's MTU, and TCP, from the first guest to the second and to the uplink
/// host; datagrams both ways.
pub fn largest_frames(bed: &Bed) -> Result<()> {
    let (one, two, up, mtu) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink, bed.spec.mtu);
    for family in FAMILIES {
        let headers = if family == Family::V4 { 28 } else { 48 };
        let largest = mtu - headers;
        for to in [two, up] {
            // `-M do`: the echo is one frame of exactly the MTU, or it fails.
            let whole = ["-M", "do", "-s", &largest.to_string()];
            let echo = echo(&one.ns, to.addr(family), 3, &whole)?;
            ensure!(echo.received == echo.sent, "{mtu}: {echo:?}");
            udp_exact(one, to, family, largest as usize, 200)?;
            udp_exact(to, one, family, largest as usize - 1, 200)?;
            let result = tcp(one, to, family, 1, Duration::from_secs(1), &[])?;
            ensure!(result.bytes > 1_000_000, "{mtu}: {result:?}");
        }
    }
    Ok(())
}

/// Waits until an echo comes back, after a change that takes effect in its own time.
pub fn reachable(from: &Guest, to: &Guest, deadline: Duration) -> Result<()> {
    let what = format!("{} to reach {}", from.port, to.port);
    wait_ok(deadline, &what, || ping(&from.ns, to.addr(Family::V4), 1))
}

/// Sends `count` datagrams at a rate that every path takes, and asserts that each arrives once.
pub fn udp_exact(from: &Guest, to: &Guest, family: Family, size: usize, count: u64) -> Result<()> {
    // Frames that wait for a neighbour's answer are sent where the answer arrives, on another core than
    // later ones, and may arrive after them.
    if !knows(from, to, family)? {
        wait_ok(Duration::from_secs(10), "the first echo", || ping(&from.ns, to.addr(family), 1))?;
    }
    let mut sink = Sink::start(&to.ns, to.socket(family, 0))?;
    // A queue of 512 KiB takes what comes while a worker is off its core for 60 ms.
    let rate = 5000.min(8_000_000 / size.max(1) as u64);
    // On one core: a sender that is moved has datagrams in two backlogs, which the kernel serves in any
    // order.
    let (rate, core) = (Rate::pps(rate), Some(0));
    let source = Source { size, count, rate, core, ..Source::to(sink.addr()) };
    let sent = source.send(&from.ns)?;
    sink.wait_for(count, Duration::from_secs(30))?;
    let SinkReport { foreign, sessions, .. } = sink.end()?;
    let SessionReport { unique, duplicates, reordered, .. } =
        sessions.into_iter().next().unwrap_or_default();
    ensure!(
        (sent.datagrams, unique, duplicates, reordered, foreign) == (count, count, 0, 0, 0),
        "{} -> {}, {size} bytes: sent {}, came {unique}, {duplicates} twice, {reordered} late, \
         {foreign} foreign",
        from.port,
        to.port,
        sent.datagrams
    );
    Ok(())
}

/// Whether the sender's kernel has the receiver's link address.
fn knows(from: &Guest, to: &Guest, family: Family) -> Result<bool> {
    let known = from.ns.ip(&format!("neighbour show {}", to.addr(family)))?;
    Ok(known.contains("lladdr"))
}

/// Numbered datagrams from one guest to another that go on until they are stopped.
#[derive(Debug)]
pub struct Flow {
    // Dropped first: a sink ends only when nothing arrives any more.
    sending: Sending,
    sink: Sink,
    /// Of its receiver, before.
    unread: u64,
}

impl Flow {
    pub fn start(from: &Guest, to: &Guest, rate: u64) -> Result<Self> {
        Self::start_on(from, to, rate, None)
    }

    /// With a core of its own for the receiver, too, so that it reads all that comes.
    pub fn start_apart(from: &Guest, to: &Guest, rate: u64) -> Result<Self> {
        Self::start_on(from, to, rate, Some(1))
    }

    /// Waits for the first datagrams.
    fn start_on(from: &Guest, to: &Guest, rate: u64, receiver: Option<usize>) -> Result<Self> {
        let unread = unread(to)?;
        let sink = Sink::start_on(&to.ns, to.socket(Family::V4, 0), receiver)?;
        // A sender that changes its core may overtake itself in the kernel, before any forwarder.
        let source = Source { rate: Rate::pps(rate), core: Some(0), ..Source::to(sink.addr()) };
        let sending = source.start(&from.ns)?;
        sink.wait_for(rate / 10, SOON)?;
        Ok(Self { sending, sink, unread })
    }

    /// Datagrams sent so far.
    pub fn sent(&self) -> u64 {
        self.sending.so_far()
    }

    /// Waits until `more` have arrived.
    pub fn comes(&self, more: u64) -> Result<()> {
        self.sink.wait_for(self.sink.so_far() + more, SOON)
    }

    /// Stops it; returns how many were sent, and how many distinct ones arrived.
    pub fn stop(self) -> Result<(u64, u64)> {
        let (sent, received) = self.end()?;
        Ok((sent, received.unique))
    }

    /// Ends it; returns how many were sent, and what arrived.
    pub fn end(self) -> Result<(u64, SessionReport)> {
        let sent = self.sending.stop()?.datagrams;
        // Datagrams missing by then are lost.
        let _ = self.sink.wait_for(sent, Duration::from_secs(1));
        let received = self.sink.finish()?;
        ensure!(received.duplicates == 0, "{} came twice", received.duplicates);
        Ok((sent, received))
    }

    pub fn lost_nothing(self) -> Result<()> {
        let (sent, came) = self.stop()?;
        ensure!(sent == came, "{came} of {sent} came");
        Ok(())
    }

    /// Asserts that each has arrived at the receiver once, in order, unless its reader did not run in time.
    pub fn all_came(self, to: &Guest) -> Result<()> {
        let before = self.unread;
        let (sent, got) = self.end()?;
        let unread = unread(to)? - before;
        let lost = sent - got.unique - unread;
        let gap_ms = got.interarrival.summary().max_ns / 1_000_000;
        println!("{sent} sent, {unread} unread, longest gap {gap_ms} ms");
        let late = got.reordered;
        ensure!(
            (lost, late) == (0, 0),
            "of {sent}: {lost} lost, {late} late; longest gap {gap_ms} ms"
        );
        Ok(())
    }
}

/// Datagrams for which sockets of a guest had no room, because their reader did not run.
fn unread(guest: &Guest) -> Result<u64> {
    guest.ns.protocol("Udp", "RcvbufErrors")
}
