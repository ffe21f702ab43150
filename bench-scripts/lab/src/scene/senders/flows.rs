//! Names, lengths, rates and times of flows. Invariant: every flow has a name; flows whose ends belong to
//! one VM may share it. Lengths are of whole frames with the Ethernet header, unless they are called
//! payload.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use weir_probe::rate::{Rate, frame_overhead};

use crate::scene::timeline::{Span, Timeline};
use crate::spec::{Family, Traffic};

/// The rounding error of sums and products of seconds.
const ROUNDING: Duration = Duration::from_micros(1);

/// The name of a pair's quantities, as one of `flows` of a traffic: the traffic's own if there is no
/// other.
pub(super) fn name(traffic: &Traffic, who: Option<&str>, flows: usize) -> String {
    let own = traffic.name.as_deref().filter(|_| flows == 1);
    own.or(who).map_or_else(|| traffic.from.to_string(), str::to_owned)
}

/// Bytes in front of a UDP payload.
pub(super) fn headers(family: Family) -> u32 {
    frame_overhead(family == Family::V6)
}

/// The frame length of a traffic's datagrams.
pub(super) fn frame(traffic: &Traffic) -> Result<u32> {
    let of_size = || Some(traffic.size? + headers(traffic.family));
    traffic.frame.or_else(of_size).context("it has neither size nor frame")
}

/// The rate of `times` connections or places together.
pub(super) fn rate(traffic: &Traffic, times: f64) -> Rate {
    match (traffic.pps, traffic.mbit) {
        (Some(pps), _) => Rate::Packets { milli_pps: (pps * times * 1000.0).round() as u64 },
        (None, Some(mbit)) => Rate::Bits { bits_per_s: (mbit * times * 1e6).round() as u64 },
        (None, None) => Rate::Max,
    }
}

/// The rate in Mb/s at which a flood, or other traffic with frames of one length, sends on one way;
/// `None`: as fast as possible.
pub(crate) fn rate_mbit(traffic: &Traffic) -> Option<f64> {
    let each = match (traffic.mbit, traffic.pps) {
        (_, Some(pps)) => pps * f64::from(frame(traffic).ok()?) * 8e-6,
        (mbit, None) => mbit?,
    };
    Some(each * f64::from(traffic.connections))
}

/// The time of a traffic, and the windows within it.
#[derive(Clone, Debug)]
pub(super) struct Times {
    origin: Instant,
    pub(super) start: Instant,
    pub(super) stop: Instant,
    pub(super) windows: Vec<Span>,
}

impl Times {
    pub(super) fn of(traffic: &Traffic, timeline: &Timeline) -> Self {
        let (start, stop) = timeline.of(traffic);
        let within = |span: &&Span| {
            let (from, to) = (timeline.at(span.from), timeline.at(span.to));
            from + ROUNDING >= start && to <= stop + ROUNDING
        };
        let windows = timeline.windows.iter().filter(within).cloned().collect();
        Self { origin: timeline.origin, start, stop, windows }
    }

    pub(super) fn at(&self, since: Duration) -> Instant {
        self.origin + since
    }

    /// The indices of the windows that contain an instant.
    pub(super) fn around(&self, now: Instant) -> impl Iterator<Item = usize> {
        let since = now.saturating_duration_since(self.origin);
        let within = move |span: &Span| span.from <= since && since < span.to;
        self.windows.iter().enumerate().filter(move |(_, span)| within(span)).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests;
