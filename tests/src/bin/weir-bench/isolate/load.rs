//! The floods, the light flow, and what a window of time saw of them.
//!
//! Invariant: a window's rates come from counters read at its two ends; what was sent before and
//! after does not enter.

use super::stage::{SENDERS, Stage};
use anyhow::Result;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use system_tests::bed::Family;
use system_tests::observer::Watch;
use system_tests::traffic::udp_source::Sending;
use system_tests::traffic::{Pace, Source};
use system_tests::{Guest, Ns};

/// Bytes of headers in front of a UDP payload, Ethernet's included.
const HEADERS: usize = 14 + 20 + 8;
pub(crate) const SMALL: usize = 64;
pub(crate) const LARGE: usize = 1458;
const POLITE_FRAME: usize = 200;
pub(crate) const POLITE_RATE: u64 = 1000;
/// Queues fill, and estimates settle.
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);

/// Frames of this length from one guest to an address, until dropped.
pub(crate) fn flood(ns: &Ns, to: SocketAddr, frame: usize, pace: Pace) -> Result<Sending> {
    let size = frame - HEADERS;
    Source { size, pace, core: Some(SENDERS), ..Source::to(to) }.start(ns)
}

/// The floods of the first `count` VMs, to the uplink host.
pub(super) fn floods(
    stage: &Stage,
    count: usize,
    frame: usize,
    pace: Pace,
) -> Result<Vec<Sending>> {
    let to = stage.bed.uplink.socket(Family::V4, 9000);
    (0..count).map(|at| flood(&stage.vm(at)?.ns, to, frame, pace)).collect()
}

/// The light flow: 1000 datagrams a second in frames of 200 bytes.
pub(crate) struct Polite<'a> {
    guest: &'a Guest,
    sending: Sending,
    first: u64,
}

impl<'a> Polite<'a> {
    pub(crate) fn start(guest: &'a Guest, to: SocketAddr, time: Duration) -> Result<Self> {
        let source = Source {
            size: POLITE_FRAME - HEADERS,
            pace: Pace::Rate(POLITE_RATE),
            core: Some(SENDERS),
            urgent: true,
            time,
            ..Source::to(to)
        };
        Ok(Self { guest, sending: source.start(&guest.ns)?, first: 0 })
    }

    /// From now on its datagrams count for the delays.
    pub(crate) fn mark(&mut self) {
        self.first = self.sending.so_far();
    }

    /// Waits for its end and says how it fared; loss is of all it sent.
    pub(crate) fn finish(self, watch: &Watch, before: u64) -> Result<Fared> {
        let sent = self.sending.finish()?.frames;
        let came = || Ok::<_, anyhow::Error>(watch.from(self.guest)?.frames - before);
        // What still waits in a queue is not lost; a queue of a second would be news.
        let patience = Instant::now() + Duration::from_secs(1);
        while came()? < sent && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut delays = watch.delays_ns(self.first as u32..sent as u32)?;
        delays.sort_unstable();
        Ok(Fared { sent, came: came()?, delays })
    }
}

/// How the light flow fared.
pub(crate) struct Fared {
    pub sent: u64,
    pub came: u64,
    delays: Vec<u64>,
}

impl Fared {
    pub(crate) fn loss_percent(&self) -> f64 {
        self.sent.saturating_sub(self.came) as f64 / self.sent.max(1) as f64 * 100.0
    }

    /// In microseconds; not a number if nothing came.
    pub(crate) fn delay_us(&self, quantile: f64) -> f64 {
        let last = self.delays.len().saturating_sub(1) as f64;
        let at = (last * quantile).round() as usize;
        self.delays.get(at).map_or(f64::NAN, |ns| *ns as f64 / 1000.0)
    }
}

/// Runs the light flow alone through the stage: the floor of what follows.
pub(crate) fn alone(
    polite: &Guest,
    to: SocketAddr,
    watch: &Watch,
    time: Duration,
) -> Result<Fared> {
    let before = watch.from(polite)?.frames;
    let mut flow = Polite::start(polite, to, time + WARM_UP)?;
    std::thread::sleep(WARM_UP);
    flow.mark();
    flow.finish(watch, before)
}

/// What came from each of these guests during `time`, in Mb/s.
pub(crate) fn rates_mbit(watch: &Watch, guests: &[Guest], time: Duration) -> Result<Vec<f64>> {
    let bytes = || -> Result<Vec<u64>> {
        guests.iter().map(|guest| Ok(watch.from(guest)?.bytes)).collect()
    };
    let (start, before) = (Instant::now(), bytes()?);
    std::thread::sleep(time);
    let (after, seconds) = (bytes()?, start.elapsed().as_secs_f64());
    let pairs = after.iter().zip(&before);
    Ok(pairs.map(|(after, before)| (after - before) as f64 * 8.0 / 1e6 / seconds).collect())
}

/// How far the rates are from one another: the worst from their mean, in percent.
pub(crate) fn from_equal_percent(rates: &[f64]) -> f64 {
    let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    system_tests::fair::worst_percent(rates, &vec![mean; rates.len()])
}
