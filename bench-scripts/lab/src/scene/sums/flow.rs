//! Rates, shares, loss and fairness. Invariant: the sums of all VMs come from the same numbers as the
//! values of each.

use std::collections::{BTreeMap, BTreeSet};

use system_tests::observer::Count;

use super::{Book, NEARLY, Piece, Window};
use crate::cell::Outcome;
use crate::scene::timeline::weights;
use crate::spec::{Kind, Traffic};
use crate::stats::jain;

/// VMs that send or receive in a window: their traffic, and whether it goes over the link.
type Active<'a> = BTreeMap<&'a str, Vec<(&'a Traffic, bool)>>;

impl Window<'_> {
    pub(super) fn flows(&mut self, slices: &[Piece]) {
        let book = self.book;
        let active = book.active(&self.piece);
        let owed = book.owed_to(&active, &self.piece);
        let (mut rates_mbit, mut rates_kpps, mut off) = (Vec::new(), Vec::new(), Vec::new());
        for who in active.keys() {
            let came = book.of(Some(who), &self.piece, false);
            rates_mbit.push(self.piece.mbit(came.bytes));
            rates_kpps.push(self.piece.kpps(came.segments));
            self.rates(who, &came);
            off.extend(self.shares(who, owed.get(who).copied(), slices));
        }
        self.rates("all", &book.of(None, &self.piece, false));
        self.set("all.jain", jain(&rates_mbit));
        self.set("all.jain_kpps", jain(&rates_kpps));
        self.set("all.off_owed", off.into_iter().reduce(f64::max));
        // The link's rate is of interest if anything is sent over it.
        let link = book.scene.link.filter(|_| book.cast.sources.iter().any(|one| one.over_link));
        self.set("all.link", link.map(|link| book.mbit(None, &self.piece, true) / link));
        self.offered(&active);
    }

    /// What a VM gets of what it is owed, in the window and in its best and its worst slice. Returns how
    /// far off the window's is.
    fn shares(&mut self, who: &str, owed: Option<f64>, slices: &[Piece]) -> Option<f64> {
        let (book, whole) = (self.book, &self.piece);
        let rate = |piece: &Piece| book.mbit(Some(who), piece, owed.is_some());
        let all = rate(whole);
        let over = owed.unwrap_or(all);
        let inside = |slice: &&Piece| {
            slice.from_s >= whole.from_s - NEARLY && slice.to_s <= whole.to_s + NEARLY
        };
        let parts: Vec<f64> =
            slices.iter().filter(inside).map(|slice| rate(slice) / over).collect();
        let of_owed = owed.map(|owed| all / owed);
        self.set(&format!("{who}.owed_mbit"), owed);
        self.set(&format!("{who}.of_owed"), of_owed);
        self.set(&format!("{who}.least"), parts.iter().copied().reduce(f64::min));
        self.set(&format!("{who}.most"), parts.iter().copied().reduce(f64::max));
        of_owed.map(|part| (part - 1.0).abs())
    }

    /// The offered traffic, and the lost part of it, for VMs whose traffic all counts its offers.
    fn offered(&mut self, active: &Active<'_>) {
        let counts = |kind| matches!(kind, Kind::Flood | Kind::Live | Kind::Timed | Kind::Probe);
        let mut offered: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for ((window, who), more) in self.book.told.iter().flat_map(|told| &told.offered) {
            let ways = active.get(who.as_str()).filter(|_| window == self.name);
            if ways.is_some_and(|ways| ways.iter().all(|(traffic, _)| counts(traffic.kind))) {
                let sums = offered.entry(who).or_default();
                *sums = (sums.0 + more.0, sums.1 + more.1);
            }
        }
        let (mut frames, mut bytes, mut came) = (0, 0, 0);
        for (who, offered) in &offered {
            let of = self.book.of(Some(who), &self.piece, false).segments;
            self.sent(who, *offered, of);
            frames += offered.0;
            bytes += offered.1;
            came += of;
        }
        if !offered.is_empty() && offered.len() == active.len() {
            self.sent("all", (frames, bytes), came);
        }
    }

    /// The quantities of traffic with a name of its own.
    pub(super) fn named(&mut self) {
        let book = self.book;
        for (index, traffic) in book.scene.traffic.iter().enumerate() {
            let Some(name) = traffic.name.as_deref().filter(|_| self.piece.has(traffic)) else {
                continue;
            };
            let Some(came) = book.alone(index, &self.piece) else { continue };
            self.rates(name, &came);
            let told = book.told.get(index).into_iter().flat_map(|told| &told.offered);
            let offered = told
                .filter(|((window, _), _)| window == self.name)
                .map(|(_, offered)| *offered)
                .reduce(|a, b| (a.0 + b.0, a.1 + b.1));
            if let Some(offered) = offered {
                self.sent(name, offered, came.segments);
            }
        }
    }

    fn rates(&mut self, who: &str, came: &Count) {
        self.set(&format!("{who}.mbit"), self.piece.mbit(came.bytes));
        self.set(&format!("{who}.kpps"), self.piece.kpps(came.segments));
    }

    fn sent(&mut self, who: &str, (frames, bytes): (u64, u64), came: u64) {
        self.set(&format!("{who}.offered_mbit"), self.piece.mbit(bytes));
        self.set(&format!("{who}.offered_kpps"), self.piece.kpps(frames));
        if frames > 0 {
            // Frames in queues at the window's beginning may make more arrive than was offered.
            let loss = (1.0 - came as f64 / frames as f64).max(0.0);
            self.set(&format!("{who}.loss"), loss);
        }
    }
}

impl Book<'_> {
    /// The rates over time.
    pub(super) fn series(&self, slices: &[Piece], outcome: &mut Outcome) {
        for slice in slices {
            let middle = f64::midpoint(slice.from_s, slice.to_s);
            let mut point = |name: String, value: f64| {
                outcome.series.entry(name).or_default().push((middle, value));
            };
            for who in self.cast.all() {
                point(format!("{who}.mbit"), self.mbit(Some(who), slice, false));
            }
            point("all.mbit".to_owned(), self.mbit(None, slice, false));
        }
    }

    /// The arrivals from, or to, one of the VMs, or all of them; everywhere, or only over the link.
    fn of(&self, who: Option<&str>, piece: &Piece, over_link: bool) -> Count {
        let mut sum = Count::default();
        for (source, count) in self.cast.sources.iter().zip(&piece.counts) {
            let is_wanted = match who {
                Some(_) => source.owner() == who,
                None => !source.whose.is_empty(),
            };
            if is_wanted && (source.over_link || !over_link) {
                sum += *count;
            }
        }
        sum
    }

    fn mbit(&self, who: Option<&str>, piece: &Piece, over_link: bool) -> f64 {
        piece.mbit(self.of(who, piece, over_link).bytes)
    }

    fn active(&self, window: &Piece) -> Active<'_> {
        let mut active = Active::new();
        let all = self.cast.all();
        for way in &self.cast.ways {
            let traffic = &self.scene.traffic[way.traffic];
            let Some(who) = way.who.as_deref().filter(|who| all.contains(who)) else { continue };
            if window.has(traffic) {
                active.entry(who).or_default().push((traffic, way.over_link));
            }
        }
        active
    }

    /// The rate that each sender over the link may expect, in Mb/s.
    fn owed_to<'a>(&self, active: &Active<'a>, window: &Piece) -> BTreeMap<&'a str, f64> {
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
    fn demand(&self, who: &str, active: &Active<'_>, window: &Piece) -> Option<f64> {
        let mut demand = 0.0;
        // A VM that sends nothing in this window is owed nothing; the others share its part.
        let sent = active.get(who).into_iter().flatten();
        for (traffic, _) in sent.filter(|(_, over_link)| *over_link) {
            demand += match traffic.kind {
                Kind::Flood | Kind::Live | Kind::Timed | Kind::Probe | Kind::Tcp => {
                    traffic.rate_mbit()?
                }
                // A sender that waits for answers demands what it gets.
                Kind::Ask | Kind::Records => self.mbit(Some(who), window, true),
            };
        }
        Some(demand)
    }

    /// The arrivals by a traffic's ways; unknown if others use them at the same time.
    fn alone(&self, index: usize, window: &Piece) -> Option<Count> {
        let ways =
            || self.cast.ways.iter().filter_map(|way| Some((way, self.cast.source_of(way)?)));
        let own: BTreeSet<usize> =
            ways().filter(|(way, _)| way.traffic == index).map(|(_, source)| source).collect();
        let mut others =
            ways().filter(|(way, source)| way.traffic != index && own.contains(source));
        let shared = others.any(|(way, _)| window.has(&self.scene.traffic[way.traffic]));
        let mut sum = Count::default();
        own.into_iter().for_each(|source| sum += window.counts[source]);
        (!shared).then_some(sum)
    }
}
