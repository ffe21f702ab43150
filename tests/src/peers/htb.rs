//! HTB at a port, a class for each sender, chosen by source address.
//!
//! Invariant: HTB knows no weights: a class has the rate that its sender is owed when all of them send,
//! and may borrow up to its maximum or the link's rate.

use super::{QUEUE, bit};
use crate::fair::{self, Sender};
use crate::{Guest, Ns};
use anyhow::Result;

/// A full frame, the least that HTB hands out at a time.
const FRAME: f64 = 1514.0;

/// The port, and its link's rate if it has one.
#[derive(Debug, Clone, Copy)]
pub struct Htb<'a> {
    pub host: &'a Ns,
    pub port: &'a str,
    pub mbit: Option<f64>,
}

/// Rates in Mb/s.
#[derive(Debug, Clone, Copy)]
pub struct Class<'a> {
    pub from: &'a Guest,
    pub rate: f64,
    pub ceil: f64,
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

/// The classes of these guests, each with its promise in Mb/s.
#[must_use]
pub fn classes<'a>(mbit: Option<f64>, senders: &[(&'a Guest, Sender)]) -> Vec<Class<'a>> {
    let promises: Vec<Sender> = senders.iter().map(|(_, sender)| *sender).collect();
    let class = |(rates, (from, _)): (Option<(f64, f64)>, &(&'a Guest, Sender))| {
        rates.map(|(rate, ceil)| Class { from, rate, ceil })
    };
    rates(mbit, &promises).into_iter().zip(senders).filter_map(class).collect()
}

impl Htb<'_> {
    /// Makes the classes, each with a queue: as much as weir lets a VM have waiting, whatever the size
    /// of its frames. Frames without a class bypass all of them.
    pub fn make(&self, classes: &[Class<'_>]) -> Result<()> {
        let port = self.port;
        self.host.tc(&format!("qdisc add dev {port} root handle 1: htb"))?;
        if let Some(mbit) = self.mbit {
            let rate = bit(mbit);
            self.host.tc(&format!(
                    "class add dev {port} parent 1: classid 1:1 htb rate {rate} ceil {rate} quantum {FRAME}"
            ))?;
        }
        self.set("add", classes)?;
        for class in classes {
            let (minor, mac) = (minor(class), class.from.mac_text());
            self.host.tc(&format!("qdisc add dev {port} parent 1:{minor} bfifo limit {QUEUE}"))?;
            self.host.tc(&format!(
                    "filter add dev {port} parent 1: protocol all prio 1 u32 match ether src {mac} flowid 1:{minor}"
            ))?;
        }
        Ok(())
    }

    /// Other rates for the same senders, under load.
    pub fn change(&self, classes: &[Class<'_>]) -> Result<()> {
        self.set("change", classes)
    }

    fn set(&self, verb: &str, classes: &[Class<'_>]) -> Result<()> {
        let (port, parent) = (self.port, if self.mbit.is_some() { "1:1" } else { "1:" });
        for class in classes {
            // A class of rate 0 is refused.
            let (rate, ceil) = (class.rate.max(0.001), class.ceil.max(0.001));
            let quantum = (rate / self.mbit.unwrap_or(rate) * 10.0 * FRAME).round().max(FRAME);
            let (minor, rate, ceil) = (minor(class), bit(rate), bit(ceil));
            self.host.tc(&format!(
                    "class {verb} dev {port} parent {parent} classid 1:{minor} htb rate {rate} ceil {ceil} quantum {quantum}"
            ))?;
        }
        Ok(())
    }
}

fn minor(class: &Class<'_>) -> u32 {
    10 + u32::from(class.from.number)
}

#[cfg(test)]
mod tests;
