//! Echo by the `ping` of iputils.

use crate::Ns;
use anyhow::{Context, Result, bail};
use std::net::IpAddr;

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
    parse(&text)
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

fn parse(text: &str) -> Option<Echo> {
    let line = text.lines().find(|line| line.contains("packets transmitted"))?;
    let mut numbers =
        line.split(',').filter_map(|part| part.split_whitespace().next()?.parse().ok());
    Some(Echo { sent: numbers.next()?, received: numbers.next()? })
}

#[cfg(test)]
mod tests;
