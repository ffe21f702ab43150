//! Senders, receivers, names and times of flows. Invariant: every flow has a name; flows whose ends
//! belong to one VM may share it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use system_tests::Ns;

use super::packets::headers;
use crate::scene::cast::{pairs, who};
use crate::scene::timeline::{Span, Timeline};
use crate::spec::Traffic;
use crate::stage::Stage;

/// The rounding error of sums and products of seconds.
const ROUNDING: Duration = Duration::from_micros(1);
/// One sender and one receiver.
#[derive(Clone, Debug)]
pub(super) struct Flow<'a> {
    /// `vm1` and the like, as the meters call it; `None` if no VM owns it.
    pub(super) who: Option<String>,
    pub(super) from: &'a Ns,
    pub(super) to: &'a Ns,
    /// The receiver's address.
    pub(super) addr: IpAddr,
}

/// All flows of a traffic; none if a seat stands for no place.
pub(super) fn flows<'a>(traffic: &Traffic, stage: &'a Stage) -> Result<Vec<Flow<'a>>> {
    let flow = |(from, to): (crate::stage::Spot<'a>, crate::stage::Spot<'a>)| Flow {
        who: who(stage.scene(), from.number, to.number),
        from: from.ns,
        to: to.ns,
        addr: to.addr,
    };
    Ok(pairs(stage, traffic)?.into_iter().map(flow).collect())
}

impl Flow<'_> {
    /// The name of its quantities, as one of `flows` flows of a traffic: the traffic's own if there is
    /// no other.
    pub(super) fn name(&self, traffic: &Traffic, flows: usize) -> String {
        name(traffic, self.who.as_deref(), flows).to_owned()
    }
}

fn name<'a>(traffic: &'a Traffic, who: Option<&'a str>, flows: usize) -> &'a str {
    let own = traffic.name.as_deref().filter(|_| flows == 1);
    own.or(who).unwrap_or(&traffic.from)
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
