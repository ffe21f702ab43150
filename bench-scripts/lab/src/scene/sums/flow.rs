//! Rates, shares, loss and fairness. Invariant: the sums of all VMs come from the same numbers as the
//! values of each.

use std::collections::{BTreeMap, BTreeSet};

use system_tests::observer::Count;

use super::{Book, NEARLY, Piece, is_active, mbit, set};
use crate::cell::Outcome;
use crate::scene::senders::rate_mbit;
use crate::scene::timeline::weights;
use crate::spec::{Kind, Traffic};
use crate::stats::jain;

type Active<'a> = BTreeMap<&'a str, Vec<(&'a Traffic, bool)>>;

impl Book<'_> {
    pub(super) fn flows(&self, window: &Piece<'_>, slices: &[Piece<'_>], outcome: &mut Outcome) {
        let active = self.active(window);
        let all = self.sum(window, |_| true);
        let (mut rates_mbit, mut rates_kpps) = (Vec::new(), Vec::new());
        for who in active.keys() {
            let came = self.of(who, window, false);
            rates_mbit.push(mbit(&came, window));
            rates_kpps.push(kpps(came.segments, window));
            rates(outcome, window, who, &came);
        }
        rates(outcome, window, "all", &all);
        for (what, rates) in [("jain", &rates_mbit), ("jain_kpps", &rates_kpps)] {
            set(outcome, window, &format!("all.{what}"), jain(rates).unwrap_or(f64::NAN));
        }
        if let Some(link) = self.link() {
            let over = self.sum(window, |over_link| over_link);
            set(outcome, window, "all.link", mbit(&over, window) / link);
        }
        let owed = self.owed_to(&active, window);
        self.shares(window, &owed, outcome);
        for who in active.keys() {
            self.extremes(who, window, slices, owed.get(who), outcome);
        }
        self.offered(window, &active, outcome);
    }

    /// The rates over time.
    pub(super) fn series(&self, slices: &[Piece<'_>], outcome: &mut Outcome) {
        for slice in slices {
            let middle = f64::midpoint(slice.from_s, slice.to_s);
            let mut point = |name: String, value: f64| {
                outcome.series.entry(name).or_default().push((middle, value));
            };
            for who in self.cast.all() {
                point(format!("{who}.mbit"), mbit(&self.of(who, slice, false), slice));
                if let Some(link) = self.link() {
                    let over = mbit(&self.of(who, slice, true), slice);
                    point(format!("{who}.of_link"), over / link);
                }
            }
            point("all.mbit".to_owned(), mbit(&self.sum(slice, |_| true), slice));
        }
    }

    /// The link's rate, if anything is sent over it.
    fn link(&self) -> Option<f64> {
        self.scene.link.filter(|_| self.cast.sources.iter().any(|source| source.over_link))
    }

    /// The arrivals from, or to, one of them.
    fn of(&self, who: &str, piece: &Piece<'_>, over_link: bool) -> Count {
        let mut sum = Count::default();
        for (source, count) in self.cast.sources.iter().zip(&piece.counts) {
            if source.owner() == Some(who) && (source.over_link || !over_link) {
                sum += *count;
            }
        }
        sum
    }

    /// The arrivals from all VMs.
    fn sum(&self, piece: &Piece<'_>, wanted: impl Fn(bool) -> bool) -> Count {
        let mut sum = Count::default();
        for (source, count) in self.cast.sources.iter().zip(&piece.counts) {
            if !source.whose.is_empty() && wanted(source.over_link) {
                sum += *count;
            }
        }
        sum
    }

    /// The rate that each sender over the link may expect, in Mb/s.
    fn owed_to<'a>(&self, active: &Active<'a>, window: &Piece<'_>) -> BTreeMap<&'a str, f64> {
        let names: Vec<String> = (1..=self.scene.vms).map(|vm| format!("vm{vm}")).collect();
        let demand: Vec<Option<f64>> =
            names.iter().map(|name| self.demand(name, active, window)).collect();
        let weights = weights(self.scene, window.from_s);
        let owed = self.scene.owed(weights, &demand).unwrap_or_default();
        let pairs = names.iter().zip(owed).filter(|(_, owed)| *owed > 0.0);
        let known =
            pairs.filter_map(|(name, owed)| Some((active.get_key_value(name.as_str())?, owed)));
        known
            .filter(|((_, ways), _)| ways.iter().any(|(_, over_link)| *over_link))
            .map(|((who, _), owed)| (*who, owed))
            .collect()
    }

    /// A VM's demand on the link; `None`: all it can get.
    fn demand(&self, who: &str, active: &Active<'_>, window: &Piece<'_>) -> Option<f64> {
        let mut demand = 0.0;
        // A VM that sends nothing in this window is owed nothing; the others share its part.
        let sent = active.get(who).into_iter().flatten();
        for (traffic, _) in sent.filter(|(_, over_link)| *over_link) {
            demand += match traffic.kind {
                Kind::Flood | Kind::Live | Kind::Timed | Kind::Probe | Kind::Tcp => {
                    rate_mbit(traffic)?
                }
                // A sender that waits for answers demands what it gets.
                Kind::Ask | Kind::Records => mbit(&self.of(who, window, true), window),
            };
        }
        Some(demand)
    }

    fn shares(&self, window: &Piece<'_>, owed: &BTreeMap<&str, f64>, outcome: &mut Outcome) {
        let mut worst = None;
        for (who, owed) in owed {
            let part = mbit(&self.of(who, window, true), window) / owed;
            set(outcome, window, &format!("{who}.owed_mbit"), *owed);
            set(outcome, window, &format!("{who}.of_owed"), part);
            worst = Some((part - 1.0).abs().max(worst.unwrap_or(0.0)));
        }
        if let Some(worst) = worst {
            set(outcome, window, "all.off_owed", worst);
        }
    }

    /// The best and the worst slice of a window.
    fn extremes(
        &self,
        who: &str,
        window: &Piece<'_>,
        slices: &[Piece<'_>],
        owed: Option<&f64>,
        outcome: &mut Outcome,
    ) {
        let rate = |piece: &Piece<'_>| mbit(&self.of(who, piece, owed.is_some()), piece);
        let over = owed.copied().unwrap_or_else(|| rate(window));
        let inside = |slice: &&Piece<'_>| {
            slice.from_s >= window.from_s - NEARLY && slice.to_s <= window.to_s + NEARLY
        };
        let parts: Vec<f64> =
            slices.iter().filter(inside).map(|slice| rate(slice) / over).collect();
        let least = parts.iter().copied().reduce(f64::min).unwrap_or(f64::NAN);
        let most = parts.iter().copied().reduce(f64::max).unwrap_or(f64::NAN);
        set(outcome, window, &format!("{who}.least"), least);
        set(outcome, window, &format!("{who}.most"), most);
    }

    /// The offered traffic, and the lost part of it, for VMs whose traffic all counts its offers.
    fn offered(&self, window: &Piece<'_>, active: &Active<'_>, outcome: &mut Outcome) {
        let counts = |kind| matches!(kind, Kind::Flood | Kind::Live | Kind::Timed | Kind::Probe);
        let mut offered: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for told in self.told.iter().flat_map(|told| &told.offered) {
            if told.window == window.name {
                let (frames, bytes) = offered.entry(&told.who).or_default();
                *frames += told.frames;
                *bytes += told.bytes;
            }
        }
        offered.retain(|who, _| {
            active.get(who).is_some_and(|all| all.iter().all(|(traffic, _)| counts(traffic.kind)))
        });
        let (mut frames, mut bytes, mut came) = (0, 0, 0);
        for (who, offered) in &offered {
            let of = self.of(who, window, false).segments;
            sent(outcome, window, who, *offered, of);
            frames += offered.0;
            bytes += offered.1;
            came += of;
        }
        if !offered.is_empty() && offered.len() == active.len() {
            sent(outcome, window, "all", (frames, bytes), came);
        }
    }

    /// The quantities of traffic with a name of its own.
    pub(super) fn named(&self, window: &Piece<'_>, outcome: &mut Outcome) {
        for (index, traffic) in self.scene.traffic.iter().enumerate() {
            let Some(name) = traffic.name.as_deref().filter(|_| is_active(traffic, window)) else {
                continue;
            };
            let Some(came) = self.alone(index, window) else { continue };
            rates(outcome, window, name, &came);
            let told = self.told.get(index).into_iter().flat_map(|told| &told.offered);
            let offered = told
                .filter(|offered| offered.window == window.name)
                .map(|offered| (offered.frames, offered.bytes))
                .reduce(|a, b| (a.0 + b.0, a.1 + b.1));
            if let Some(offered) = offered {
                sent(outcome, window, name, offered, came.segments);
            }
        }
    }

    /// The arrivals by a traffic's ways; unknown if others use them at the same time.
    fn alone(&self, index: usize, window: &Piece<'_>) -> Option<Count> {
        let ways =
            || self.cast.ways.iter().filter_map(|way| Some((way, self.cast.source_of(way)?)));
        let own: BTreeSet<usize> =
            ways().filter(|(way, _)| way.traffic == index).map(|(_, source)| source).collect();
        let mut others =
            ways().filter(|(way, source)| way.traffic != index && own.contains(source));
        let shared = others.any(|(way, _)| is_active(&self.scene.traffic[way.traffic], window));
        let mut sum = Count::default();
        own.into_iter().for_each(|source| sum += window.counts[source]);
        (!shared).then_some(sum)
    }
}

fn kpps(frames: u64, piece: &Piece<'_>) -> f64 {
    frames as f64 / 1000.0 / piece.seconds
}

fn rates(outcome: &mut Outcome, window: &Piece<'_>, who: &str, came: &Count) {
    set(outcome, window, &format!("{who}.mbit"), mbit(came, window));
    set(outcome, window, &format!("{who}.kpps"), kpps(came.segments, window));
}

fn sent(
    outcome: &mut Outcome,
    window: &Piece<'_>,
    who: &str,
    (frames, bytes): (u64, u64),
    came: u64,
) {
    let as_mbit = bytes as f64 * 8e-6 / window.seconds;
    set(outcome, window, &format!("{who}.offered_mbit"), as_mbit);
    set(outcome, window, &format!("{who}.offered_kpps"), kpps(frames, window));
    if frames > 0 {
        // Frames in queues at the window's beginning may make more arrive than was offered.
        let loss = (1.0 - came as f64 / frames as f64).max(0.0);
        set(outcome, window, &format!("{who}.loss"), loss);
    }
}
