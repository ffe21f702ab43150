//! Traffic: datagrams (`flood`; `live`: past the senders' stacks), probes, and TCP (`tcp`, `exchange`).
//!
//! Invariant: traffic that was started ends by itself at its `stop`, and at once when it is dropped.
//! Lengths are of whole frames with the Ethernet header, unless they are called payload.

mod exchange;
mod flood;
mod live;
mod probe;
mod tcp;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::cpu;
use weir_probe::rate::{Rate, frame_overhead};
use weir_probe::timing::Spread;

use super::cast::pairs;
use super::meters::Rates;
use super::timeline::Timeline;
use crate::spec::{Family, Kind, Traffic};
use crate::stage::{SENDERS, Stage};

/// The priority of traffic that does not wait for its neighbours' programs.
const PRIORITY: u8 = 10;

/// A traffic under way, all its connections together.
pub(crate) trait Running {
    /// Called when the meters are read at an end of a window, so that the counts are of the same time.
    fn so_far(&self) -> Result<SoFar>;

    /// Waits for its end and returns its results.
    fn finish(self: Box<Self>, windows: &[Passed]) -> Result<Told>;
}

/// The counts of a traffic up to one instant.
#[derive(Clone, Debug, Default)]
pub(crate) struct SoFar {
    /// Frames handed to the senders' kernel, by sender and place; empty if it does not count them.
    pub(crate) frames: Vec<u64>,
    /// Processor time of its senders and receivers.
    pub(crate) cpu: Duration,
}

/// A window, and the counts of a traffic in it.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) name: String,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// The numbers of the frames, as in [`SoFar`].
    pub(crate) frames: Vec<Range<u64>>,
}

/// The results of a traffic itself. The meters count arrivals, not this.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// By full name: `both.polite.p99_us`.
    pub(crate) values: BTreeMap<String, f64>,
    /// Frames that were handed to the senders' kernels, and their bytes, by window and `vm1` and the like.
    pub(crate) offered: BTreeMap<(String, String), (u64, u64)>,
    /// Payload in Mb/s that receivers got, by window and `vm1` and the like: the values of several
    /// traffics add up.
    pub(crate) goodput_mbit: Vec<(String, String, f64)>,
    /// Processor time by window, beside what [`SoFar`] has.
    pub(crate) cpu_s: BTreeMap<String, f64>,
    pub(crate) notes: Vec<String>,
}

impl Told {
    fn add(&mut self, window: &str, who: &str, values: Vec<(&'static str, f64)>) {
        let named = |(what, value)| (format!("{window}.{who}.{what}"), value);
        self.values.extend(values.into_iter().map(named));
    }

    /// Frames without an owner are left out.
    fn offer(&mut self, window: &str, who: Option<&String>, frames: u64, bytes: u64) {
        let Some(who) = who else { return };
        let sums = self.offered.entry((window.to_owned(), who.clone())).or_default();
        *sums = (sums.0 + frames, sums.1 + bytes);
    }
}

/// Starts a traffic, which waits for its `start` itself.
pub(crate) fn start<'a>(
    traffic: &Traffic,
    stage: &Stage,
    timeline: &Timeline,
    rates: &'a Rates<'_>,
) -> Result<Box<dyn Running + 'a>> {
    let flows = pairs(stage, traffic)?;
    let times = timeline.of(traffic);
    Ok(match traffic.kind {
        Kind::Flood | Kind::Live | Kind::Timed => {
            Box::new(flood::start(traffic, &flows, stage, &times, rates)?)
        }
        Kind::Tcp => Box::new(tcp::start(traffic, &flows, stage, &times)?),
        Kind::Probe => Box::new(probe::start(traffic, &flows, &times)?),
        Kind::Ask | Kind::Records => Box::new(exchange::start(traffic, &flows, times)?),
    })
}

impl Traffic {
    /// The name of a flow's quantities, as one of `flows`: the traffic's own if there is no other. Flows
    /// whose ends belong to one VM may share it.
    fn flow_name(&self, who: Option<&str>, flows: usize) -> String {
        let own = self.name.as_deref().filter(|_| flows == 1);
        own.or(who).map_or_else(|| self.from.to_string(), str::to_owned)
    }

    /// Bytes in front of a UDP payload.
    fn headers(&self) -> u32 {
        frame_overhead(self.family == Family::V6)
    }

    /// The length of its datagrams' frames.
    fn frame_length(&self) -> Result<u32> {
        let of_size = || Some(self.size? + self.headers());
        self.frame.or_else(of_size).context("it has neither size nor frame")
    }

    fn payload(&self) -> Result<u32> {
        Ok(self.frame_length()? - self.headers())
    }

    /// The rate of `times` connections or places together.
    fn rate(&self, times: f64) -> Rate {
        match (self.pps, self.mbit) {
            (Some(pps), _) => Rate::Packets { milli_pps: (pps * times * 1000.0).round() as u64 },
            (None, Some(mbit)) => Rate::Bits { bits_per_s: (mbit * times * 1e6).round() as u64 },
            (None, None) => Rate::Max,
        }
    }

    /// The rate in Mb/s at which a flood, or other traffic with frames of one length, sends on one way;
    /// `None`: as fast as possible.
    pub(super) fn rate_mbit(&self) -> Option<f64> {
        let each = match (self.mbit, self.pps) {
            (_, Some(pps)) => pps * f64::from(self.frame_length().ok()?) * 8e-6,
            (mbit, None) => mbit?,
        };
        Some(each * f64::from(self.connections))
    }
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

/// Empty without times.
fn delays(times: &Spread) -> Vec<(&'static str, f64)> {
    let times = &times.histogram;
    if times.is_empty() {
        return Vec::new();
    }
    let at = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
    vec![
        ("mean_us", times.mean() / 1000.0),
        ("sd_us", times.stdev() / 1000.0),
        ("p50_us", at(0.5)),
        ("p99_us", at(0.99)),
        ("p999_us", at(0.999)),
    ]
}
