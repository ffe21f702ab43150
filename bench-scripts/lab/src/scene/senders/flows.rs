//! Names and times of flows. Invariant: every flow has a name; flows whose ends belong to one VM may
//! share it.

use std::time::{Duration, Instant};

use super::packets::headers;
use crate::scene::timeline::{Span, Timeline};
use crate::spec::Traffic;

/// The rounding error of sums and products of seconds.
const ROUNDING: Duration = Duration::from_micros(1);

/// The name of a pair's quantities, as one of `flows` of a traffic: the traffic's own if there is no
/// other.
pub(super) fn name(traffic: &Traffic, who: Option<&str>, flows: usize) -> String {
    let own = traffic.name.as_deref().filter(|_| flows == 1);
    own.or(who).map_or_else(|| traffic.from.to_string(), str::to_owned)
}

/// The UDP payload that a traffic's datagrams have.
pub(super) fn payload(traffic: &Traffic, usual: u32) -> u32 {
    let of_frame = traffic.frame.map(|frame| frame.saturating_sub(headers(traffic.family)));
    traffic.size.or(of_frame).unwrap_or(usual)
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
