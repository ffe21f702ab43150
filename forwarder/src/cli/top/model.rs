//! Computes the displayed values from two rounds of answers. Invariant: pure, and every rate is over
//! weir's own time between the two, so that a slow answer does not distort it.

use super::sample::{Measured, Sample};
use crate::cli::render::{Rates, paint::Tone, per_second, percent, short, since, uptime};
use weir_api::{PortReport, StatsReport};

/// Two samples of one and the same weir.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'s> {
    pub(super) before: Option<&'s Sample>,
    pub(super) after: &'s Sample,
    /// weir was restarted since the sample before.
    restarted: bool,
}

impl<'s> Span<'s> {
    pub(super) fn new(before: Option<&'s Sample>, after: &'s Sample) -> Self {
        let same = before.filter(|before| before.stats.uptime_ns <= after.stats.uptime_ns);
        Self { before: same, after, restarted: same.is_none() && before.is_some() }
    }

    pub(super) fn elapsed_ns(&self) -> Option<u64> {
        let before = self.before?.stats.uptime_ns;
        Some(self.after.stats.uptime_ns.saturating_sub(before)).filter(|ns| *ns > 0)
    }

    /// `None` until there are two samples.
    pub(super) fn per_second(&self, before: u64, after: u64) -> Option<u64> {
        per_second(after.saturating_sub(before), self.elapsed_ns()?)
    }

    pub(super) fn stats_before(&self) -> Option<&'s StatsReport> {
        self.before.map(|sample| &sample.stats)
    }

    pub(super) fn rates(&self, port: &PortReport) -> Option<Rates> {
        let elapsed_ns = self.elapsed_ns()?;
        Some(Rates::between(self.stats_before()?.port(&port.name), port, elapsed_ns))
    }

    /// The lines above the table; the first parts of each are the most important.
    pub(super) fn header(&self) -> [Vec<(String, Tone)>; 2] {
        let stats = &self.after.stats;
        let plain = |text: String| (text, Tone::Plain);
        let mut first = vec![plain(format!("weir, up {}", uptime(stats.uptime_ns)))];
        if self.restarted {
            first.push(("restarted".to_owned(), Tone::Warn));
        }
        let busy = plain(self.busy());
        first.extend(match stats.ledger.balanced {
            true => [busy, plain("ledger balanced".to_owned())],
            false => [("LEDGER NOT BALANCED".to_owned(), Tone::Bad), busy],
        });
        first.push(plain(format!("{} in flight", short(stats.ledger.in_flight))));
        let rates = stats.ports.iter().map(|port| self.rates(port));
        let total = rates.collect::<Option<Vec<_>>>().filter(|rates| !rates.is_empty());
        let total = total.map(|rates| rates.into_iter().fold(Rates::default(), Rates::add));
        let rate =
            |of: fn(Rates) -> u64| total.map_or_else(|| "-".to_owned(), |sum| short(of(sum)));
        let lost = total.map_or(0, |sum| sum.lost_ps);
        let mut second = vec![
            plain(format!("rx {} bit/s", rate(|r| r.rx_bps))),
            plain(format!("tx {} bit/s", rate(|r| r.tx_bps))),
            (format!("lost {}/s", rate(|r| r.lost_ps)), Tone::of_losses(lost)),
            plain(format!("rx {} frames/s", rate(|r| r.rx_pps))),
            plain(format!("tx {}", rate(|r| r.tx_pps))),
        ];
        match &self.after.latency {
            Measured::Off => second.insert(3, ("latency is off".to_owned(), Tone::Dim)),
            Measured::Unavailable(_) => second.insert(3, ("no latency".to_owned(), Tone::Dim)),
            Measured::NotAsked | Measured::On(_) => {}
        }
        [first, second]
    }

    /// How busy each worker was.
    fn busy(&self) -> String {
        let before = self.stats_before();
        let workers = self.after.stats.worker.iter();
        let busy = workers.map(|worker| percent(since(before, worker).busy.share_permille));
        let busy: Vec<String> = busy.collect();
        match busy.as_slice() {
            [] => "no worker".to_owned(),
            [one] => format!("worker busy {one}"),
            many => format!("workers busy {}", many.join(", ")),
        }
    }
}
