//! What is asked of `weir probe`. Invariant: what it would refuse is refused here, in the words of
//! the experiment's file.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use system_tests::weir;

use crate::scene::senders::flows::{Flow, payload};
use crate::spec::{Probing, Traffic};
use crate::stage::SENDERS;

/// Room for what a probe carries, and for what a reflector adds.
const SMALLEST: u32 = 40;
const SMALLEST_ROUND_TRIP: u32 = 64;
/// In a burst.
const MOST: f64 = 1_000_000.0;

/// Both ends of a run.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) binary: PathBuf,
    /// Handles of the namespaces.
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) addr: IpAddr,
    pub(super) probing: Probing,
    pub(super) urgent: bool,
    size: u32,
    rate: String,
    burst: u64,
    flows: u32,
    time: Duration,
}

impl Order {
    pub(super) fn new(traffic: &Traffic, flow: &Flow<'_>, time: Duration) -> Result<Self> {
        let smallest = match traffic.probing {
            Probing::OneWay => SMALLEST,
            Probing::RoundTrip => SMALLEST_ROUND_TRIP,
        };
        let size = payload(traffic, SMALLEST_ROUND_TRIP);
        ensure!(
            size >= smallest,
            "a datagram of {size} bytes has no room for what is measured: give a `size` of at \
             least {smallest}, or a `frame` that holds it"
        );
        Ok(Self {
            binary: weir::binary()?,
            from: flow.from.path(),
            to: flow.to.path(),
            addr: flow.addr,
            probing: traffic.probing,
            urgent: traffic.urgent,
            size,
            rate: rate(traffic),
            burst: burst(traffic)?,
            flows: traffic.connections,
            time,
        })
    }

    pub(super) fn listening(&self) -> Vec<String> {
        let words = match self.probing {
            Probing::OneWay => "sink --timestamps kernel",
            Probing::RoundTrip => "reflect --once",
        };
        words_of(&format!("{words} --port 0 --bind {}", self.addr))
    }

    pub(super) fn sending(&self, port: u16) -> Vec<String> {
        let to = SocketAddr::new(self.addr, port);
        let Self { rate, burst, size, flows, .. } = self;
        let ms = self.time.as_millis().max(1);
        // It stays among namespaces, whatever their routes look like.
        words_of(&format!(
            "send {to} --rate {rate} --burst {burst} --size {size} --flows {flows} \
             --duration {ms}ms --core {SENDERS} --force"
        ))
    }
}

fn words_of(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Of all flows together, as the command line has it.
fn rate(traffic: &Traffic) -> String {
    let all = f64::from(traffic.connections);
    match (traffic.pps, traffic.mbit) {
        (Some(pps), _) => format!("{:.3}pps", pps * all),
        (None, Some(mbit)) => format!("{:.0}bit", mbit * all * 1e6),
        (None, None) => "max".to_owned(),
    }
}

/// Datagrams that go out together: all that is due in the time of a burst.
fn burst(traffic: &Traffic) -> Result<u64> {
    if traffic.burst <= 0.0 {
        return Ok(1);
    }
    let pps = traffic.pps.context("bursts are of a rate: give `pps` with `burst`")?;
    let due = pps * f64::from(traffic.connections) * traffic.burst;
    ensure!(due <= MOST, "a burst of {due:.0} datagrams; valid: up to {MOST:.0}");
    Ok((due.round() as u64).max(1))
}

#[cfg(test)]
mod tests;
