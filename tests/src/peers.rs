//! Alternatives that are compared with weir: parts of Linux, given the same promises, and other
//! forwarders.
//!
//! - [`Htb`]: a class for each sender at a port; [`fifo()`]: one queue for all
//! - [`forwarders`]: XDP redirect, past every queue; a loop between two AF_XDP sockets; other forwarders
//!   in user space, if they are installed
//!
//! Invariant: everything that is set up here goes with its namespace.

pub mod forwarders;

use crate::fair::{self, Sender};
use crate::{Guest, Ns};
use anyhow::Result;

/// weir's default `queue`.
const QUEUE: u32 = 512 << 10;
/// A device's default queue length.
const FRAMES: u32 = 1000;
/// The burst of a token bucket; more than a merged TCP segment.
const BURST: u32 = 65536;
/// A full frame, the least that HTB hands out at a time.
const FRAME: f64 = 1514.0;

/// Gives a port this rate, and one queue of a thousand full frames: the behaviour of a plain device.
pub fn fifo(ns: &Ns, port: &str, mbit: f64, mtu: u32) -> Result<()> {
    let (rate, limit) = (bit(mbit), (mtu + 14) * FRAMES);
    let tbf = format!("tbf rate {rate} burst {BURST} limit {limit}");
    ns.tc(&format!("qdisc add dev {port} root {tbf}")).map(drop)
}

/// Mb/s as tc reads them without rounding.
fn bit(mbit: f64) -> String {
    format!("{:.0}bit", mbit * 1e6)
}

/// HTB at a port, a class for each sender, chosen by source address; and the link's rate if it has one.
///
/// HTB knows no weights: a class has the rate that its sender is owed when all of them send, and may
/// borrow up to its maximum or the link's rate.
#[derive(Debug, Clone, Copy)]
pub struct Htb<'a> {
    pub host: &'a Ns,
    pub port: &'a str,
    pub mbit: Option<f64>,
}

/// `(rate, ceil)` of each sender's class, in the senders' unit; without a link's rate, only senders
/// with a maximum have one.
#[must_use]
pub fn rates(link: Option<f64>, senders: &[Sender]) -> Vec<Option<(f64, f64)>> {
    let Some(link) = link else {
        let capped = |sender: &Sender| sender.max.is_finite().then_some((sender.max, sender.max));
        return senders.iter().map(capped).collect();
    };
    let owed = fair::rates(link, senders);
    owed.iter().zip(senders).map(|(rate, sender)| Some((*rate, sender.max.min(link)))).collect()
}

impl Htb<'_> {
    /// Makes a class for each guest with its promise in Mb/s, and a queue: as much as weir lets a VM
    /// have waiting, whatever the size of its frames. Frames without a class bypass all of them.
    pub fn make(&self, senders: &[(&Guest, Sender)]) -> Result<()> {
        let port = self.port;
        if self.classes(senders).is_empty() && self.mbit.is_none() {
            return Ok(());
        }
        self.host.tc(&format!("qdisc add dev {port} root handle 1: htb"))?;
        if let Some(mbit) = self.mbit {
            let rate = bit(mbit);
            self.host.tc(&format!(
                    "class add dev {port} parent 1: classid 1:1 htb rate {rate} ceil {rate} quantum {FRAME}"
            ))?;
        }
        self.set("add", senders)?;
        for (from, _) in self.classes(senders) {
            let (minor, mac) = (minor(from), from.mac_text());
            self.host.tc(&format!("qdisc add dev {port} parent 1:{minor} bfifo limit {QUEUE}"))?;
            self.host.tc(&format!(
                    "filter add dev {port} parent 1: protocol all prio 1 u32 match ether src {mac} flowid 1:{minor}"
            ))?;
        }
        Ok(())
    }

    /// Other promises of the same guests, under load.
    pub fn change(&self, senders: &[(&Guest, Sender)]) -> Result<()> {
        self.set("change", senders)
    }

    /// The guests that have a class, with its rates.
    fn classes<'a>(&self, senders: &[(&'a Guest, Sender)]) -> Vec<(&'a Guest, (f64, f64))> {
        let promises: Vec<Sender> = senders.iter().map(|(_, sender)| *sender).collect();
        let all = senders.iter().zip(rates(self.mbit, &promises));
        all.filter_map(|((from, _), rates)| Some((*from, rates?))).collect()
    }

    fn set(&self, verb: &str, senders: &[(&Guest, Sender)]) -> Result<()> {
        let (port, parent) = (self.port, if self.mbit.is_some() { "1:1" } else { "1:" });
        for (from, (rate, ceil)) in self.classes(senders) {
            // A class of rate 0 is refused.
            let (rate, ceil) = (rate.max(0.001), ceil.max(0.001));
            let quantum = (rate / self.mbit.unwrap_or(rate) * 10.0 * FRAME).round().max(FRAME);
            let (minor, rate, ceil) = (minor(from), bit(rate), bit(ceil));
            self.host.tc(&format!(
                    "class {verb} dev {port} parent {parent} classid 1:{minor} htb rate {rate} ceil {ceil} quantum {quantum}"
            ))?;
        }
        Ok(())
    }
}

fn minor(from: &Guest) -> u32 {
    10 + u32::from(from.number)
}

#[cfg(test)]
mod tests;
