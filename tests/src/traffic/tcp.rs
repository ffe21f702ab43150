//! TCP by iperf3: one client, one server, and what the receiver counted.

use crate::bed::Family;
use crate::wait::wait_ok;
use crate::{Guest, Ns, Started};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

/// How long after its time a client may still run.
const LATEST: Duration = Duration::from_secs(15);

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
    parse(&text).with_context(|| format!("iperf3 {} -> {addr}", from.port))
}

/// Starts a server and waits until it listens; it writes its counts to `out`.
pub(super) fn serve(to: &Ns, port: u16, extra: &[&str], out: Stdio) -> Result<Started> {
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

fn parse(text: &str) -> Result<TcpResult> {
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

#[cfg(test)]
mod tests;
