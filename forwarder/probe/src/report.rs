//! The reports of probes, as JSON. Invariant: a field is never renamed or given another meaning
//! within a version; times are in nanoseconds, sizes in bytes of UDP payload.

use std::collections::BTreeMap;

use serde::Serialize;

use super::timing::Spread;

pub const VERSION: u64 = 1;

/// The report of `weir probe send`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SendReport {
    pub version: u64,
    /// `send`.
    pub kind: &'static str,
    pub target: String,
    pub session: String,
    pub flows: u64,
    /// The rate as on the command line.
    pub rate: String,
    pub size: String,
    pub burst: u64,
    pub elapsed_ns: u64,
    /// Datagrams that the kernel accepted.
    pub datagrams: u64,
    pub bytes: u64,
    /// The same with UDP, IP and Ethernet headers.
    pub frame_bytes: u64,
    /// Datagrams that it refused, by error: not sent, and not lost.
    pub refused: BTreeMap<String, u64>,
    /// Datagrams that were due, but could not be sent within the time and its grace.
    pub overdue: u64,
    /// Network errors: no socket listens there, or there is no route.
    pub unreachable: u64,
    /// How late datagrams were sent, against the schedule.
    pub lateness: Spread,
    /// The report of the sink or reflector; `None` if it did not answer.
    pub acknowledged: Option<Acknowledged>,
    /// Present if a reflector answered.
    pub round_trips: Option<RoundTrips>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Acknowledged {
    /// Flows with an answer; the numbers are of these.
    pub flows: u64,
    pub sent: u64,
    pub received: u64,
    pub lost: u64,
    pub duplicates: u64,
    pub reordered: u64,
    /// Sent back by a reflector.
    pub replied: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct RoundTrips {
    pub replies: u64,
    pub unique: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub late: u64,
    /// Lost replies of the reflector; `None` if it did not report how many it sent.
    pub lost_on_the_way_back: Option<u64>,
    /// Without the time spent in the reflector.
    pub rtt: Spread,
    pub jitter_mean_ns: u64,
    pub jitter_max_ns: u64,
    /// One way each; only if the reflector's clock is the sender's.
    pub there: Option<Spread>,
    pub back: Option<Spread>,
}

/// The report of `weir probe sink` and `weir probe reflect`.
#[derive(Clone, Debug, Serialize)]
pub struct SinkReport {
    pub version: u64,
    /// `sink` or `reflect`.
    pub kind: &'static str,
    pub listening: String,
    /// `user` or `kernel`: where the time of arrival was taken.
    pub timestamps: &'static str,
    pub elapsed_ns: u64,
    /// Datagrams that are not a probe's.
    pub foreign: u64,
    /// A probe's datagrams beyond the sessions and flows that are kept apart.
    pub unkept: u64,
    /// Lost here, because the socket's buffer was full; included in the sessions' `lost`.
    pub socket_dropped: u64,
    /// At a reflector: too short for an answer, or the answer could not be sent.
    pub unanswered: u64,
    pub sessions: Vec<SessionReport>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct SessionReport {
    pub session: String,
    pub from: String,
    /// Sender and receiver share a clock. Otherwise latency is the difference of two clocks.
    pub same_host: bool,
    /// The sender has sent its totals: losses at the end are in `lost`.
    pub ended: bool,
    /// From the first to the last arrival.
    pub elapsed_ns: u64,
    pub datagrams: u64,
    pub bytes: u64,
    pub sent: u64,
    pub unique: u64,
    pub lost: u64,
    /// RFC 4737: arrivals behind a higher number, and the largest extent in arrivals.
    pub reordered: u64,
    pub largest_extent: u64,
    pub duplicates: u64,
    /// More than 65,536 behind: counted as lost.
    pub late: u64,
    pub replied: u64,
    /// Arrivals before their sending, by the two clocks; their latency counts as 0.
    pub before_sent: u64,
    /// One way.
    pub latency: Spread,
    /// From the kernel's receipt until it was read; with the kernel's time stamps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waking: Option<Spread>,
    pub interarrival: Spread,
    /// RFC 3550, over the flows.
    pub jitter_mean_ns: u64,
    pub jitter_max_ns: u64,
    pub flows: Vec<FlowReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    pub flow: u16,
    pub ended: bool,
    pub sent: u64,
    pub unique: u64,
    pub lost: u64,
    pub reordered: u64,
    pub largest_extent: u64,
    pub duplicates: u64,
    pub late: u64,
    pub replied: u64,
    pub jitter_ns: u64,
}

/// The probe's own cost, over a veth with nothing between.
#[derive(Clone, Debug, Serialize)]
pub struct FloorReport {
    pub version: u64,
    /// `floor`.
    pub kind: &'static str,
    pub send: SendReport,
    pub sink: SinkReport,
}

/// Frames that were sent past the stack: counts only.
#[derive(Clone, Debug, Serialize)]
pub struct RawReport {
    pub version: u64,
    /// `raw-send` or `raw-sink`.
    pub kind: &'static str,
    pub interface: String,
    /// `live-frames`, `af-xdp`, or `xdp` at the sink.
    pub way: &'static str,
    /// Why it is not live frames.
    pub instead_because: Option<String>,
    pub frames: u64,
    pub frame_size: u64,
    pub elapsed_ns: u64,
}

/// A histogram and its name, for files.
pub type Named<'a> = (&'static str, &'a Spread);

impl SendReport {
    /// The main one first.
    pub fn spreads(&self) -> Vec<Named<'_>> {
        let mut all = Vec::new();
        if let Some(trips) = &self.round_trips {
            all.push(("rtt", &trips.rtt));
            all.extend(trips.there.as_ref().map(|spread| ("there", spread)));
            all.extend(trips.back.as_ref().map(|spread| ("back", spread)));
        }
        all.push(("lateness", &self.lateness));
        all
    }
}

impl SinkReport {
    /// The spreads of all sessions, the main one of each first.
    pub fn spreads(&self) -> Vec<Named<'_>> {
        let mut all = Vec::new();
        for session in &self.sessions {
            all.push(("latency", &session.latency));
            all.extend(session.waking.as_ref().map(|spread| ("waking", spread)));
            all.push(("interarrival", &session.interarrival));
        }
        all
    }
}
