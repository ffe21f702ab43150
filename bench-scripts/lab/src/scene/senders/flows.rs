//! Who talks to whom under which name, and when it counts. Invariant: every flow has a name; flows
//! whose ends belong to one VM may share it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use system_tests::Ns;

use super::packets::headers;
use crate::scene::cast::{pairs, who};
use crate::scene::timeline::{Span, Timeline};
use crate::spec::Traffic;
use crate::stage::Stage;

/// What adding and multiplying seconds may be off by.
const ROUNDING: Duration = Duration::from_micros(1);
/// One sender and one receiver.
#[derive(Clone, Debug)]
pub(super) struct Flow<'a> {
    /// `vm1` and the like, as the meters call it; none where it is nobody's own.
    pub(super) who: Option<String>,
    pub(super) from: &'a Ns,
    pub(super) to: &'a Ns,
    /// The receiver's.
    pub(super) addr: IpAddr,
}

/// All flows of a traffic; none where a seat stands for nobody.
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
    /// The name of its quantities, being one of so many flows of a traffic: the traffic's own where
    /// there is no other.
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

/// When a traffic is sent, and the windows that lie within that time.
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

    /// The windows, by their place, in which an instant lies.
    pub(super) fn around(&self, now: Instant) -> impl Iterator<Item = usize> {
        let since = now.saturating_duration_since(self.origin);
        let within = move |span: &Span| span.from <= since && since < span.to;
        self.windows.iter().enumerate().filter(move |(_, span)| within(span)).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(text: &str) -> Traffic {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_flow_is_called_by_its_traffic_or_its_vm_or_its_sender() {
        let plain = traffic("kind = 'ask'\nfrom = 'uplink'\nto = 'every'");
        let named = Traffic { name: Some("polite".into()), ..plain.clone() };
        assert_eq!(name(&named, Some("vm2"), 1), "polite");
        assert_eq!(name(&named, Some("vm2"), 2), "vm2");
        assert_eq!(name(&plain, Some("vm2"), 1), "vm2");
        assert_eq!(name(&plain, None, 1), "uplink");
    }

    #[test]
    fn a_frame_is_its_payload_and_headers() {
        let with = |more: &str| traffic(&format!("kind='probe'\nfrom='vm1'\nto='uplink'\n{more}"));
        assert_eq!(payload(&with(""), 64), 64);
        assert_eq!(payload(&with("size = 100"), 64), 100);
        assert_eq!(payload(&with("frame = 1514"), 64), 1472);
        assert_eq!(payload(&with("frame = 1514\nfamily = 'v6'"), 64), 1452);
        assert_eq!(payload(&with("frame = 10"), 64), 0);
    }

    #[test]
    fn only_windows_that_the_traffic_fills_are_measured() {
        let span = |name: &str, from, to| Span {
            name: name.into(),
            from: Duration::from_millis(from),
            to: Duration::from_millis(to),
        };
        let timeline = Timeline {
            origin: Instant::now(),
            windows: vec![span("a", 500, 2000), span("b", 2000, 3000), span("c", 2500, 4000)],
            end: Duration::from_secs(4),
            slice: Duration::from_secs(1),
        };
        let of = |text: &str| {
            let text = format!("kind = 'ask'\nfrom = 'vm1'\nto = 'uplink'\n{text}");
            Times::of(&traffic(&text), &timeline)
        };
        let names = |times: &Times| {
            times.windows.iter().map(|span| span.name.clone()).collect::<Vec<_>>().join("")
        };
        assert_eq!(names(&of("")), "abc");
        assert_eq!(names(&of("start = 2.0000000001\nstop = 3.2")), "b");
        assert_eq!(names(&of("start = 1\nstop = 3.9999999999")), "bc");
        let times = of("");
        let at = |ms| times.around(times.at(Duration::from_millis(ms))).collect::<Vec<_>>();
        assert_eq!((at(0), at(500), at(2600), at(4000)), (vec![], vec![0], vec![1, 2], vec![]));
    }
}
