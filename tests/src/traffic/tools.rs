//! Traffic of other programs: echoes by the `ping` of iputils, and TCP by iperf3: [`tcp`] from its
//! beginning to its end, [`Bulk`] as long as its owner wants, with the receiver's amounts over time.
//!
//! Invariant: amounts of TCP are the receiver's, and their times this machine's: iperf3 counts from its
//! own beginning, and the earliest possible time of a report tells when that was.

use crate::bed::Family;
use crate::ns::cmd_in;
use crate::wait::wait_ok;
use crate::{Guest, Ns, Started, cpu};
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long after its time a client may still run.
const LATEST: Duration = Duration::from_secs(15);
/// How often the receiver reports.
const EVERY: &str = "0.1";
/// How long a client may take to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// The summary that ping prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    pub sent: u64,
    pub received: u64,
}

/// Sends `count` echoes 50 ms apart and waits a second for the last.
pub fn echo(ns: &Ns, to: IpAddr, count: u32, extra: &[&str]) -> Result<Echo> {
    // Without ping's own deadline, which would make it send more than `count` to make up for losses.
    let limit = (count / 20 + 5).to_string();
    let output = ns
        .cmd("timeout")
        .args(["--foreground", "--signal=INT", &limit, "ping"])
        .args(["-n", "-q", "-i", "0.05", "-W", "1", "-c", &count.to_string()])
        .args(extra)
        .arg(to.to_string())
        .output()
        .context("cannot start ping")?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_echo(&text)
        .with_context(|| format!("ping {to}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Asserts that every echo comes back.
pub fn ping(ns: &Ns, to: IpAddr, count: u32) -> Result<()> {
    let echo = echo(ns, to, count, &[])?;
    if echo.received < echo.sent {
        bail!("{} of {} echoes from {} to {to} came back", echo.received, echo.sent, ns.name());
    }
    Ok(())
}

fn parse_echo(text: &str) -> Option<Echo> {
    let line = text.lines().find(|line| line.contains("packets transmitted"))?;
    let mut numbers =
        line.split(',').filter_map(|part| part.split_whitespace().next()?.parse().ok());
    Some(Echo { sent: numbers.next()?, received: numbers.next()? })
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TcpResult {
    /// Measured at the receiver.
    pub bits_per_second: f64,
    pub bytes: u64,
    pub retransmits: u64,
}

/// Runs `flows` TCP flows from one guest to another for `time`; `extra` goes to the client.
pub fn tcp(
    from: &Guest,
    to: &Guest,
    family: Family,
    flows: u32,
    time: Duration,
    extra: &[&str],
) -> Result<TcpResult> {
    // A port of the sender's own: two senders may share a receiver.
    let port = 5201 + u16::from(from.number);
    let addr = to.addr(family).to_string();
    let _server = serve(&to.ns, port, &[], Stdio::null())?;
    let seconds = time.as_secs_f64().round().max(1.0);
    // A client whose path dies would wait for TCP to give up: a quarter of an hour.
    let limit = time.as_secs() + LATEST.as_secs();
    let words = format!(
        "--foreground --signal=KILL {limit} iperf3 -c {addr} -p {port} -J -t {seconds} -P {flows} \
         --connect-timeout 5000"
    );
    let output = from
        .ns
        .cmd("timeout")
        .args(words.split_whitespace())
        .args(extra)
        .output()
        .context("cannot start iperf3")?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_whole(&text).with_context(|| format!("iperf3 {} -> {addr}", from.port))
}

/// Starts a server and waits until it listens; it writes its counts to `out`.
fn serve(to: &Ns, port: u16, extra: &[&str], out: Stdio) -> Result<Started> {
    let mut command = to.cmd("iperf3");
    command
        .args(["-s", "-1", "-p", &port.to_string()])
        .args(extra)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::null());
    let server = Started::new("iperf3", &mut command)?;
    // A connection would use up the server's one test.
    wait_ok(Duration::from_secs(30), "iperf3 to listen", || {
        ensure!(to.listens(port)?, "port {port} is closed");
        Ok(())
    })?;
    Ok(server)
}

fn parse_whole(text: &str) -> Result<TcpResult> {
    let json: Value = serde_json::from_str(text).with_context(|| format!("not JSON: {text}"))?;
    if let Some(error) = json["error"].as_str() {
        bail!("{error}");
    }
    let end = &json["end"];
    let received = &end["sum_received"];
    Ok(TcpResult {
        bits_per_second: received["bits_per_second"].as_f64().context("no sum_received")?,
        bytes: received["bytes"].as_u64().unwrap_or(0),
        retransmits: end["sum_sent"]["retransmits"].as_u64().unwrap_or(0),
    })
}

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
        let (pipe, several) =
            (server.child.stdout.take().context("iperf3 has no pipe")?, spec.connections > 1);
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
