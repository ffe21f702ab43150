//! Traffic: one file for each kind. Invariant: traffic that was started ends by itself at its `stop`,
//! and at once when it is dropped.

mod exchange;
mod flood;
mod flows;
mod live;
mod places;
mod probe;
mod tcp;
#[cfg(test)]
mod tests;
mod timed;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use system_tests::cpu;

use super::marks::Marks;
use super::meters::rates::Rates;
use super::timeline::{Edge, Timeline};
use crate::spec::{Kind, Traffic};
use crate::stage::{SENDERS, Stage};

pub(crate) use self::flows::rate_mbit;

/// The priority of traffic that does not wait for its neighbours' programs.
const PRIORITY: u8 = 10;

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
    Ok(match traffic.kind {
        Kind::Flood => Box::new(flood::start(traffic, stage, timeline)?),
        Kind::Live => Box::new(live::start(traffic, stage, timeline)?),
        Kind::Timed => Box::new(timed::start(traffic, stage, timeline, rates)?),
        Kind::Tcp => Box::new(tcp::start(traffic, stage, timeline)?),
        Kind::Probe => Box::new(probe::start(traffic, stage, timeline)?),
        Kind::Ask | Kind::Records => Box::new(exchange::start(traffic, stage, timeline)?),
    })
}

/// Makes the calling thread one that sends or, with it, receives: on the senders' core, and ahead of
/// the others there if it is urgent.
fn become_sender(urgent: bool) -> Result<()> {
    cpu::pin(SENDERS);
    if urgent {
        cpu::urgent(cpu::this_thread(), PRIORITY).context("no right to a real-time priority")?;
    }
    Ok(())
}

/// What a sending thread has sent so far to each of its places, and its processor time.
type Sent = (Vec<u64>, Duration);

impl Told {
    /// Adds what threads offered in each window, in frames of one length, and their processor time.
    /// `whose`: the owners of each thread's frames, by place.
    fn add_sent(&mut self, marks: &Marks<Vec<Sent>>, whose: &[&[Option<String>]], frame: u32) {
        for (window, from, to) in marks.pairs() {
            let mut cpu = Duration::ZERO;
            for (whose, (from, to)) in whose.iter().zip(from.iter().zip(to)) {
                cpu += to.1.saturating_sub(from.1);
                for (who, (from, to)) in whose.iter().zip(from.0.iter().zip(&to.0)) {
                    self.offered.extend(Offered::of(&window.name, who.as_ref(), to - from, frame));
                }
            }
            self.cpu_s.insert(window.name.clone(), cpu.as_secs_f64());
        }
    }
}
