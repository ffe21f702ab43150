//! What returns to a sender: replies and acknowledgements. Invariant: a round trip is measured with the
//! sender's clock alone; only a difference of the reflector's clock is used.

use super::report::{Acknowledged, RoundTrips};
use super::sequence::Sequence;
use super::timing::{Jitter, Spread};
use super::wire::{Came, Header, Turned};

#[derive(Debug, Default)]
struct Flow {
    sequence: Sequence,
    jitter: Jitter,
    acknowledged: Option<(u64, Came)>,
}

#[derive(Debug, Default)]
pub struct Trips {
    flows: Vec<Flow>,
    replies: u64,
    rtt: Spread,
    there: Spread,
    back: Spread,
    clocks_differ: bool,
}

impl Trips {
    pub fn new(flows: u16) -> Self {
        Self { flows: (0..flows).map(|_| Flow::default()).collect(), ..Self::default() }
    }

    pub fn reply(&mut self, header: &Header, turned: Turned, now_ns: u64) {
        let Some(flow) = self.flows.get_mut(usize::from(header.flow)) else { return };
        self.replies += 1;
        if !flow.sequence.take(header.number) {
            return;
        }
        let inside = turned.sent_ns.saturating_sub(turned.received_ns);
        self.rtt.record(now_ns.saturating_sub(header.monotonic_ns).saturating_sub(inside));
        flow.jitter.take(header.monotonic_ns, now_ns.saturating_sub(inside));
        // Monotonic clocks of two machines differ by hours: they never give this order by chance.
        let ordered = [header.monotonic_ns, turned.received_ns, turned.sent_ns, now_ns];
        self.clocks_differ |= !ordered.is_sorted();
        self.there.record(turned.received_ns.saturating_sub(header.monotonic_ns));
        self.back.record(now_ns.saturating_sub(turned.sent_ns));
    }

    pub fn acknowledged(&mut self, header: &Header, came: Came) {
        if let Some(flow) = self.flows.get_mut(usize::from(header.flow)) {
            flow.acknowledged = Some((header.number, came));
        }
    }

    /// The flows without an acknowledgement.
    pub fn open(&self) -> impl Iterator<Item = usize> {
        let open = |flow: &Flow| flow.acknowledged.is_none();
        self.flows.iter().enumerate().filter(move |(_, flow)| open(flow)).map(|(i, _)| i)
    }

    /// `sent`: the number of datagrams of each flow.
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
        let one_way = |spread: &Spread| (!self.clocks_differ).then(|| spread.clone());
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
mod tests;
