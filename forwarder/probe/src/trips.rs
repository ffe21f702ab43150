//! What comes back to a sender: replies and acknowledgements. Invariant: a round trip is measured
//! with the sender's clock alone; of the reflector's only a difference is used.

use super::report::{Acknowledged, RoundTrips};
use super::sequence::{Arrival, Sequence};
use super::timing::{Jitter, Spread};
use super::wire::{Came, Header, Turned};

#[derive(Debug, Default)]
struct Flow {
    sequence: Sequence,
    jitter: Jitter,
    acknowledged: Option<(u64, Came)>,
}

#[derive(Debug)]
pub struct Trips {
    flows: Vec<Flow>,
    replies: u64,
    rtt: Spread,
    there: Spread,
    back: Spread,
    same_clock: bool,
}

impl Trips {
    #[must_use]
    pub fn new(flows: u16) -> Self {
        Self {
            flows: (0..flows).map(|_| Flow::default()).collect(),
            replies: 0,
            rtt: Spread::default(),
            there: Spread::default(),
            back: Spread::default(),
            same_clock: true,
        }
    }

    pub fn reply(&mut self, header: &Header, turned: Turned, now_ns: u64) {
        let Some(flow) = self.flows.get_mut(usize::from(header.flow)) else { return };
        self.replies += 1;
        if matches!(flow.sequence.take(header.number), Arrival::Duplicate | Arrival::Late) {
            return;
        }
        let inside = turned.sent_ns.saturating_sub(turned.received_ns);
        self.rtt.record(now_ns.saturating_sub(header.monotonic_ns).saturating_sub(inside));
        flow.jitter.take(header.monotonic_ns, now_ns.saturating_sub(inside));
        // Two machines' clocks count from when each was started: such an order is no accident.
        let ordered = [header.monotonic_ns, turned.received_ns, turned.sent_ns, now_ns];
        self.same_clock &= ordered.is_sorted();
        self.there.record(turned.received_ns.saturating_sub(header.monotonic_ns));
        self.back.record(now_ns.saturating_sub(turned.sent_ns));
    }

    pub fn acknowledged(&mut self, header: &Header, came: Came) {
        if let Some(flow) = self.flows.get_mut(usize::from(header.flow)) {
            flow.acknowledged = Some((header.number, came));
        }
    }

    /// Which flows have no acknowledgement.
    pub fn open(&self) -> impl Iterator<Item = usize> {
        let open = |flow: &Flow| flow.acknowledged.is_none();
        self.flows.iter().enumerate().filter(move |(_, flow)| open(flow)).map(|(i, _)| i)
    }

    /// `sent`: how many of each flow.
    #[must_use]
    pub fn report(&self, sent: &[u64]) -> (Option<Acknowledged>, Option<RoundTrips>) {
        let mut all = Acknowledged::default();
        let mut lost_back = 0;
        for (flow, sent) in self.flows.iter().zip(sent) {
            if let Some((received, came)) = flow.acknowledged {
                all.flows += 1;
                all.sent += sent;
                all.received += received;
                all.lost += sent.saturating_sub(received);
                all.duplicates += came.duplicates;
                all.reordered += came.reordered;
                all.replied += came.replied;
                lost_back += came.replied.saturating_sub(flow.sequence.unique);
            }
        }
        let everyone = all.flows == self.flows.len() as u64;
        let sum = |of: fn(&Sequence) -> u64| self.flows.iter().map(|f| of(&f.sequence)).sum();
        let jitters = || {
            let heard = self.flows.iter().filter(|flow| flow.sequence.unique > 0);
            heard.map(|flow| flow.jitter.ns())
        };
        let one_way = |spread: &Spread| self.same_clock.then(|| spread.clone());
        let trips = RoundTrips {
            replies: self.replies,
            unique: sum(|s| s.unique),
            duplicates: sum(|s| s.duplicates),
            reordered: sum(|s| s.reordered),
            late: sum(|s| s.late),
            lost_on_the_way_back: everyone.then_some(lost_back),
            rtt: self.rtt.clone(),
            jitter_mean_ns: jitters().sum::<u64>() / jitters().count().max(1) as u64,
            jitter_max_ns: jitters().max().unwrap_or(0),
            there: one_way(&self.there),
            back: one_way(&self.back),
        };
        let reflected = self.replies > 0 || all.replied > 0;
        ((all.flows > 0).then_some(all), reflected.then_some(trips))
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Kind, Session};
    use super::*;

    fn header(flow: u16, number: u64) -> Header {
        let monotonic_ns = 10_000 * number;
        let session = Session(1);
        Header { kind: Kind::Reply, flow, session, number, monotonic_ns, realtime_ns: 0 }
    }

    #[test]
    fn the_time_in_the_reflector_is_not_the_ways() {
        let mut trips = Trips::new(1);
        let turned = Turned { received_ns: 300, sent_ns: 800, number: 0 };
        trips.reply(&header(0, 0), turned, 1_000);
        let (_, report) = trips.report(&[1]);
        let report = report.unwrap();
        let max = |spread: &Spread| spread.summary().max_ns;
        assert_eq!(max(&report.rtt), 500);
        assert_eq!(report.there.as_ref().map(max), Some(300));
        assert_eq!(report.back.as_ref().map(max), Some(200));
    }

    #[test]
    fn another_machines_clock_gives_no_one_way_times() {
        let mut trips = Trips::new(1);
        let turned = Turned { received_ns: 77_000_000, sent_ns: 77_000_500, number: 0 };
        trips.reply(&header(0, 0), turned, 1_000);
        let report = trips.report(&[1]).1.unwrap();
        assert_eq!(report.rtt.summary().max_ns, 500);
        assert!(report.there.is_none() && report.back.is_none());
    }

    #[test]
    fn losses_are_told_apart_by_direction() {
        let mut trips = Trips::new(2);
        assert_eq!(trips.report(&[0, 0]).0, None);
        for number in [0, 1, 3, 3] {
            trips.reply(&header(1, number), Turned::default(), 100_000);
        }
        assert_eq!(trips.open().collect::<Vec<_>>(), [0, 1]);
        trips.acknowledged(&header(0, 9), Came { replied: 9, ..Came::default() });
        trips.acknowledged(&header(1, 6), Came { replied: 6, ..Came::default() });
        assert_eq!(trips.open().count(), 0);
        let (there, back) = trips.report(&[10, 10]);
        let (there, back) = (there.unwrap(), back.unwrap());
        assert_eq!((there.sent, there.received, there.lost, there.replied), (20, 15, 5, 15));
        assert_eq!((back.replies, back.unique, back.duplicates), (4, 3, 1));
        assert_eq!(back.lost_on_the_way_back, Some(12));
    }
}
