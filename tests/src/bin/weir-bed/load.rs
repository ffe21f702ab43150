//! The demo's traffic: each kind over both families, between VMs and to the uplink.

use anyhow::{Context, Result, anyhow};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::traffic::ping::echo;
use system_tests::traffic::{Rate, Sending, Sink, Source, tcp};
use system_tests::{Bed, Guest};

/// Datagrams a second of each UDP flow.
const RATE: u64 = 10_000;

pub(crate) struct Load<'scope> {
    udp: Vec<(String, Sending, Sink)>,
    others: Vec<ScopedJoinHandle<'scope, Result<String>>>,
}

fn name(guest: &Guest) -> String {
    if guest.number > 100 { "uplink".to_owned() } else { format!("VM {}", guest.number) }
}

fn way(kind: &str, from: &Guest, to: &Guest, family: Family) -> String {
    let family = if family == Family::V4 { "IPv4" } else { "IPv6" };
    format!("{kind:<5} {family}  {:<6} -> {:<6}", name(from), name(to))
}

impl<'scope> Load<'scope> {
    pub(crate) fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        bed: &'env Bed,
        time: Duration,
    ) -> Result<Self> {
        use Family::{V4, V6};
        let up = &bed.uplink;
        let vm = |i: usize| bed.guest(i);
        let mut udp = Vec::new();
        for (from, to, family) in [(vm(0)?, up, V4), (vm(1)?, vm(2)?, V6)] {
            let sink = Sink::start(&to.ns, to.socket(family, 0))?;
            let rate = Rate::pps(RATE);
            let sending =
                Source { rate, time, size: 200, ..Source::to(sink.addr()) }.start(&from.ns)?;
            udp.push((way("UDP", from, to, family), sending, sink));
        }
        let mut others = Vec::new();
        for (from, to, family) in [(vm(2)?, up, V4), (up, vm(3)?, V6)] {
            others.push(scope.spawn(move || {
                let result = tcp(from, to, family, 1, time, &[])?;
                let rate = result.bits_per_second / 1e9;
                let way = way("TCP", from, to, family);
                Ok(format!("{way} {rate:>7.2} Gb/s   {} retransmits", result.retransmits))
            }));
        }
        for (from, to, family) in [(vm(3)?, up, V4), (vm(3)?, vm(0)?, V6)] {
            others.push(scope.spawn(move || {
                let count = u32::try_from(time.as_millis() / 50).unwrap_or(u32::MAX);
                let echo = echo(&from.ns, to.addr(family), count, &[])?;
                let way = way("ping", from, to, family);
                Ok(format!("{way} {:>7} echoes, {} lost", echo.sent, echo.sent - echo.received))
            }));
        }
        Ok(Self { udp, others })
    }

    pub(crate) fn finish(self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for (way, sending, sink) in self.udp {
            let sent = sending.finish()?;
            // Frames still on their way arrive in well under this time, or are lost.
            let _ = sink.wait_for(sent.frames, Duration::from_secs(1));
            let received = sink.finish()?;
            let lost = sent.frames.saturating_sub(received.unique(0));
            let us = |q| received.latency_ns.value_at_quantile(q) as f64 / 1000.0;
            lines.push(format!(
                "{way} {:>7} pps, {lost} of {} lost, p50 {:.0} us, p99 {:.0} us",
                sent.per_second().round(),
                sent.frames,
                us(0.5),
                us(0.99),
            ));
        }
        for other in self.others {
            let line = other.join().map_err(|_| anyhow!("a client panicked"))?;
            lines.push(line.context("a client failed")?);
        }
        Ok(lines)
    }
}
