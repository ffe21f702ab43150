//! Traffic: one file for each kind. Invariant: traffic that was started ends by itself at its `stop`,
//! and at once when it is dropped.

mod exchange;
mod flood;
mod flows;
mod live;
mod marks;
mod packets;
mod places;
mod probe;
mod tcp;
#[cfg(test)]
mod tests;
mod timed;

use std::collections::BTreeMap;

use anyhow::Result;

use super::meters::rates::Rates;
use super::timeline::{Edge, Timeline};
use crate::spec::{Kind, Traffic};
use crate::stage::Stage;

pub(crate) use self::packets::rate_mbit;

/// A traffic under way, all its connections together.
pub(crate) trait Running {
    /// Called when the meters are read at an end of a window (by its index), so that the counts here
    /// are of the same time.
    fn mark(&mut self, window: usize, edge: Edge) {
        let _ = (window, edge);
    }

    /// Waits for its end and returns its results.
    fn finish(self: Box<Self>) -> Result<Told>;
}

/// The results of a traffic itself. The meters count arrivals, not this.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// By full name: `both.polite.p99_us`.
    pub(crate) values: BTreeMap<String, f64>,
    /// The offered traffic.
    pub(crate) offered: Vec<Offered>,
    /// Payload in Mb/s that receivers got, by window and `vm1` and the like: the values of several
    /// traffics add up.
    pub(crate) goodput_mbit: Vec<(String, String, f64)>,
    /// CPU time of its senders and receivers, by window.
    pub(crate) cpu_s: BTreeMap<String, f64>,
    pub(crate) notes: Vec<String>,
}

/// Frames that were handed to the sender's kernel in a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offered {
    pub(crate) window: String,
    /// `vm1` and the like, as in the names of quantities.
    pub(crate) who: String,
    pub(crate) frames: u64,
    /// Bytes of whole frames with the Ethernet header.
    pub(crate) bytes: u64,
}

impl Offered {
    /// Frames of one length; empty for frames without an owner.
    fn of(window: &str, who: Option<&String>, frames: u64, frame: u32) -> Option<Self> {
        let (window, bytes) = (window.to_owned(), frames * u64::from(frame));
        who.map(|who| Self { window, who: who.clone(), frames, bytes })
    }
}

/// Starts a traffic, which waits for its `start` itself.
pub(crate) fn start<'a>(
    traffic: &Traffic,
    stage: &'a Stage,
    timeline: &Timeline,
    rates: &'a Rates,
) -> Result<Box<dyn Running + 'a>> {
    match traffic.kind {
        Kind::Flood => flood::start(traffic, stage, timeline),
        Kind::Live => live::start(traffic, stage, timeline),
        Kind::Timed => timed::start(traffic, stage, timeline, rates),
        Kind::Tcp => tcp::start(traffic, stage, timeline),
        Kind::Probe => probe::start(traffic, stage, timeline),
        Kind::Ask | Kind::Records => exchange::start(traffic, stage, timeline),
    }
}
