//! The datagrams that a sink or a reflector has received, by session and flow. Invariant: every
//! datagram counts in one session or as `foreign` or `unkept`; sessions and flows are bounded, so that
//! no sender can make the book grow without end.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::report::{FlowReport, SessionReport};
use super::sequence::Sequence;
use super::socket::Letter;
use super::timing::{Jitter, Spread};
use super::wire::{Came, Header, Session, Totals};

const MOST_SESSIONS: usize = 64;
/// The bound for all sessions together.
const MOST_FLOWS: usize = 1 << 16;

#[derive(Debug)]
pub struct Book {
    /// This machine's number, as in sessions.
    pub host: u32,
    sessions: BTreeMap<Session, Entry>,
    flows: usize,
    /// Datagrams that are not a probe's.
    pub foreign: u64,
    /// A probe's datagrams, beyond the sessions and flows that are kept apart.
    pub unkept: u64,
    /// `Data` counted in sessions.
    pub counted: u64,
}

#[derive(Debug, Default)]
struct Entry {
    /// What is known without the flows.
    report: SessionReport,
    first_ns: u64,
    waking: Spread,
    last_arrival_ns: Option<u64>,
    flows: BTreeMap<u16, Flow>,
    ended: Option<Totals>,
}

#[derive(Debug, Default)]
struct Flow {
    sequence: Sequence,
    jitter: Jitter,
    sent: Option<u64>,
    replied: u64,
}

impl Book {
    pub fn new(host: u32) -> Self {
        Self { host, sessions: BTreeMap::new(), flows: 0, foreign: 0, unkept: 0, counted: 0 }
    }

    /// Records a `Data`. Only if it was kept and is new, returns its flow's number of replies, for a
    /// reflector to count.
    pub fn take(&mut self, letter: &Letter, header: &Header) -> Option<&mut u64> {
        if self.find(letter.from, header).is_none() {
            self.unkept += 1;
            return None;
        }
        self.counted += 1;
        let entry = self.sessions.get_mut(&header.session)?;
        let report = &mut entry.report;
        if report.datagrams == 0 {
            entry.first_ns = letter.monotonic_ns;
        }
        report.elapsed_ns = letter.monotonic_ns - entry.first_ns;
        report.datagrams += 1;
        report.bytes += letter.len as u64;
        let flow = entry.flows.get_mut(&header.flow)?;
        if !flow.sequence.take(header.number) {
            return None;
        }
        let (sent_ns, received_ns) = match letter.kernel_ns {
            Some(kernel_ns) => {
                entry.waking.record(letter.realtime_ns.saturating_sub(kernel_ns));
                (header.realtime_ns, kernel_ns)
            }
            None if report.same_host => (header.monotonic_ns, letter.monotonic_ns),
            None => (header.realtime_ns, letter.realtime_ns),
        };
        report.before_sent += u64::from(received_ns < sent_ns);
        report.latency.record(received_ns.saturating_sub(sent_ns));
        flow.jitter.take(sent_ns, received_ns);
        if let Some(before) = entry.last_arrival_ns.replace(received_ns) {
            report.interarrival.record(received_ns.saturating_sub(before));
        }
        Some(&mut flow.replied)
    }

    /// Records an `End`; returns the content of its acknowledgement: the number of distinct datagrams,
    /// and the rest.
    pub fn end(
        &mut self,
        from: SocketAddr,
        header: &Header,
        totals: Totals,
    ) -> Option<(u64, Came)> {
        let entry = self.find(from, header)?;
        entry.ended = Some(totals);
        let flow = entry.flows.get_mut(&header.flow)?;
        flow.sent = Some(header.number);
        let Sequence { unique, duplicates, reordered, .. } = flow.sequence;
        Some((unique, Came { duplicates, reordered, replied: flow.replied }))
    }

    /// Whether there are sessions, and all have ended.
    pub fn all_ended(&self) -> bool {
        !self.sessions.is_empty() && self.sessions.values().all(Entry::has_ended)
    }

    /// Every session, in the order of their numbers.
    pub fn sessions(&self) -> Vec<SessionReport> {
        self.sessions.values().map(Entry::report).collect()
    }

    /// Forgets all sessions.
    pub fn clear(&mut self) {
        self.sessions.clear();
        self.flows = 0;
    }

    /// The session of a datagram, with its flow in it; `None` if it is not kept.
    fn find(&mut self, from: SocketAddr, header: &Header) -> Option<&mut Entry> {
        let session = self.sessions.get(&header.session);
        let is_new = session.is_none_or(|entry| !entry.flows.contains_key(&header.flow));
        let room = session.is_some() || self.sessions.len() < MOST_SESSIONS;
        if is_new && (!room || self.flows >= MOST_FLOWS) {
            return None;
        }
        let same_host = header.session.host() == self.host;
        let new = || Entry::new(header.session, from, same_host);
        let entry = self.sessions.entry(header.session).or_insert_with(new);
        if is_new {
            self.flows += 1;
            entry.flows.insert(header.flow, Flow::default());
        }
        Some(entry)
    }
}

impl Entry {
    fn new(session: Session, from: SocketAddr, same_host: bool) -> Self {
        // An IPv4 sender received over an IPv6 socket is shown with its IPv4 address.
        let from = SocketAddr::new(from.ip().to_canonical(), from.port()).to_string();
        let report =
            SessionReport { session: session.to_string(), from, same_host, ..Default::default() };
        Self { report, ..Self::default() }
    }

    fn has_ended(&self) -> bool {
        let ended = self.flows.values().filter(|flow| flow.sent.is_some()).count() as u64;
        self.ended.is_some_and(|totals| ended >= totals.flows)
    }

    fn report(&self) -> SessionReport {
        let flows: Vec<FlowReport> =
            self.flows.iter().map(|(number, flow)| flow.report(*number)).collect();
        let sum = |of: fn(&FlowReport) -> u64| flows.iter().map(of).sum::<u64>();
        let jitters = || flows.iter().map(|flow| flow.jitter_ns);
        // Flows of which nothing arrived are in the sender's total only.
        let heard_of = sum(|f| f.sent);
        let sent = heard_of.max(self.ended.map_or(0, |totals| totals.datagrams));
        SessionReport {
            ended: self.has_ended(),
            sent,
            unique: sum(|f| f.unique),
            lost: sum(|f| f.lost) + sent - heard_of,
            reordered: sum(|f| f.reordered),
            largest_extent: flows.iter().map(|f| f.largest_extent).max().unwrap_or(0),
            duplicates: sum(|f| f.duplicates),
            late: sum(|f| f.late),
            replied: sum(|f| f.replied),
            waking: Some(self.waking.clone()).filter(|waking| !waking.is_empty()),
            jitter_mean_ns: jitters().sum::<u64>() / flows.len().max(1) as u64,
            jitter_max_ns: jitters().max().unwrap_or(0),
            flows,
            ..self.report.clone()
        }
    }
}

impl Flow {
    fn report(&self, number: u16) -> FlowReport {
        let all = &self.sequence;
        FlowReport {
            flow: number,
            ended: self.sent.is_some(),
            sent: all.expected(self.sent),
            unique: all.unique,
            lost: all.lost(self.sent),
            reordered: all.reordered,
            largest_extent: all.largest_extent,
            duplicates: all.duplicates,
            late: all.late,
            replied: self.replied,
            jitter_ns: self.jitter.ns(),
        }
    }
}

#[cfg(test)]
mod tests;
