//! Bulk TCP by iperf3 that begins and ends on request, with the receiver's amounts over time.
//!
//! Invariant: amounts are the receiver's, and their times this machine's: iperf3 counts from its own
//! beginning, and the earliest possible time of a report tells when that was.

use super::tcp::serve;
use crate::ns::cmd_in;
use crate::{Ns, Started, cpu};
use anyhow::{Context, Result, anyhow};
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the receiver reports.
const EVERY: &str = "0.1";
/// How long a client may take to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a client sends.
#[derive(Debug, Clone)]
pub struct BulkSpec {
    pub to: IpAddr,
    /// The port at the receiver; every run needs one of its own.
    pub port: u16,
    pub connections: u32,
    /// The core of both ends.
    pub core: Option<usize>,
    /// Further arguments of the client.
    pub extra: Vec<String>,
}

/// A server that listens and, once begun, a client. Both end when dropped.
#[derive(Debug)]
pub struct Bulk {
    spec: BulkSpec,
    server: Started,
    client: Option<Started>,
    reader: JoinHandle<Vec<Heard>>,
}

/// A report, and the time at which it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Heard {
    at: Instant,
    from_s: f64,
    to_s: f64,
    kbit_per_s: f64,
}

/// A receiver's amounts over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Goodput(Vec<Heard>);

impl Bulk {
    /// Starts the server and waits until it listens.
    pub fn prepare(to: &Ns, spec: BulkSpec) -> Result<Self> {
        let words = ["--interval", EVERY, "--format", "k", "--forceflush"];
        let mut server = serve(to, spec.port, &words, Stdio::piped())?;
        let (pipe, several) = (server.stdout()?, spec.connections > 1);
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(pipe).lines().map_while(Result::ok);
            lines.filter_map(|line| parse(&line, several, Instant::now())).collect()
        });
        Ok(Self { spec, server, client: None, reader })
    }

    /// Starts the client in a namespace, by its name; it would go on for a day.
    pub fn begin(&mut self, from: &str) -> Result<()> {
        let BulkSpec { to, port, connections, core, extra } = &self.spec;
        let mut command = cmd_in(from, "iperf3");
        command
            .args(["-c", &to.to_string(), "-p", &port.to_string()])
            .args(["-t", "86400", "-P", &connections.to_string()])
            .args(["--connect-timeout", "5000"])
            .args(core.iter().flat_map(|core| ["-A".to_owned(), format!("{core},{core}")]))
            .args(extra);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        self.client = Some(Started::new(format!("iperf3 to {to}"), &mut command)?);
        Ok(())
    }

    /// Processor time of both ends so far; 0 for an end that does not exist.
    pub fn cpu(&self) -> Duration {
        let ends = std::iter::once(&self.server).chain(&self.client);
        ends.map(|end| cpu::process_time(end.pid()).unwrap_or_default()).sum()
    }

    /// An error if the client no longer runs.
    pub fn check(&mut self) -> Result<()> {
        self.client.as_mut().context("iperf3 was not begun")?.check()
    }

    /// Ends the client and returns the server's reports.
    pub fn end(mut self) -> Result<Goodput> {
        self.check()?;
        if let Some(client) = &mut self.client {
            client.ask();
            client.wait(PATIENCE);
        }
        // A client that still waits for its connections to empty is not waited for.
        drop(self.client.take());
        drop(self.server);
        let heard = self.reader.join();
        heard.map(Goodput).map_err(|_| anyhow!("the reader of iperf3's reports panicked"))
    }
}

impl Goodput {
    /// Mb/s between two instants; `None` if there are no reports for a fifth of that time or more.
    pub fn mbit_between(&self, from: Instant, to: Instant) -> Option<f64> {
        let began =
            |report: &Heard| report.at.checked_sub(Duration::try_from_secs_f64(report.to_s).ok()?);
        // No report is made before its time is over: so the earliest one is the most exact.
        let began = self.0.iter().filter_map(began).min()?;
        let since = |at: Instant| {
            let later = at.saturating_duration_since(began).as_secs_f64();
            later - began.saturating_duration_since(at).as_secs_f64()
        };
        let (from, to) = (since(from), since(to));
        let (mut seconds, mut kbit) = (0.0, 0.0);
        for report in &self.0 {
            let common = (report.to_s.min(to) - report.from_s.max(from)).max(0.0);
            seconds += common;
            kbit += common * report.kbit_per_s;
        }
        (seconds > 0.8 * (to - from)).then(|| kbit / 1000.0 / seconds)
    }
}

/// Parses a line such as `[  5]   0.10-0.20   sec  1.25 MBytes  104857 Kbits/sec`, or `[SUM]` of
/// several connections; but not the line of the whole run, which ends with the name of the end that
/// counted.
fn parse(line: &str, several: bool, at: Instant) -> Option<Heard> {
    let (id, rest) = line.strip_prefix('[')?.split_once(']')?;
    if (id == "SUM") != several {
        return None;
    }
    let mut words = rest.split_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let (from_s, to_s) = (from.parse().ok()?, to.parse().ok()?);
    let mut words = words.skip_while(|word| word.parse::<f64>().is_err());
    let _amount = words.next()?;
    let _unit = words.next()?;
    let kbit_per_s = words.next()?.parse().ok()?;
    if words.next()? != "Kbits/sec" || words.any(|word| word == "receiver" || word == "sender") {
        return None;
    }
    Some(Heard { at, from_s, to_s, kbit_per_s })
}

#[cfg(test)]
mod tests;
