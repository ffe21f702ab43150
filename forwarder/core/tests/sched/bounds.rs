//! How far a vif is from its ideal share at any moment.

use proptest::prelude::*;
use weir_core::{Policy, Rate};

use crate::rates::{link, sizes, weight};
use crate::world::{CONTAINER, Sends, Sent, Source, World};

/// The largest rise and fall of `got - earned` between any two steps.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Swing {
    pub(crate) low: f64,
    pub(crate) high: f64,
    rise: f64,
    fall: f64,
}

impl Swing {
    fn see(&mut self, ahead: f64) {
        self.low = self.low.min(ahead);
        self.high = self.high.max(ahead);
        self.rise = self.rise.max(ahead - self.low);
        self.fall = self.fall.max(self.high - ahead);
    }
}

/// The swings against the fluid ideal, for vifs that all wait all the time.
pub(crate) fn swings(log: &[Sent], weights: &[u32], cost: impl Fn(&Sent) -> f64) -> Vec<Swing> {
    let sum: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let (mut got, mut total) = (vec![0.0; weights.len()], 0.0);
    let mut swings = vec![Swing::default(); weights.len()];
    for sent in log {
        total += cost(sent);
        got[sent.vif] += cost(sent);
        for (at, swing) in swings.iter_mut().enumerate() {
            swing.see(got[at] - total * f64::from(weights[at]) / sum);
        }
    }
    swings
}

fn largest(sources: &[Source]) -> f64 {
    f64::from(sources.iter().map(|source| source.sizes.1).fold(CONTAINER, u32::max))
}

/// The most that a vif got above and below `rate` in any interval, in bytes.
pub(crate) fn around(world: &World, vif: usize, rate: Rate) -> (f64, f64) {
    let mut swing = Swing::default();
    let mut got = 0.0;
    for sent in world.log.iter().filter(|sent| sent.vif == vif) {
        let earned = rate.bits_per_s as f64 / 8e9 * sent.at_ns as f64;
        swing.see(got - earned);
        got += sent.bytes as f64;
        swing.see(got - earned);
    }
    let earned = rate.bits_per_s as f64 / 8e9 * world.now as f64;
    swing.see(got - earned);
    (swing.rise, swing.fall)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_share_is_kept_to_within_a_container(
        link in link(),
        vifs in prop::collection::vec((weight(), sizes()), 2..=64),
    ) {
        let sources: Vec<_> = vifs.iter().map(|&(weight, sizes)| Source::greedy(weight, sizes)).collect();
        let weights: Vec<_> = vifs.iter().map(|&(weight, _)| weight).collect();
        let mut world = World::new(Policy::Drr, Some(link), &sources, 5);
        world.run(u64::MAX, 8_000);
        let one = largest(&sources) + 1.0;
        for swing in swings(&world.log, &weights, |sent| sent.bytes as f64) {
            prop_assert!(swing.low >= -one && swing.high <= one, "since the start: {swing:?}");
            prop_assert!(swing.rise <= 2.0 * one && swing.fall <= 2.0 * one, "{swing:?}");
        }
        world.end();
    }

    #[test]
    fn packets_are_shared_to_within_a_container_of_them(
        vifs in prop::collection::vec((weight(), sizes()), 2..=32),
    ) {
        let sources: Vec<_> = vifs.iter().map(|&(weight, sizes)| Source::greedy(weight, sizes)).collect();
        let weights: Vec<_> = vifs.iter().map(|&(weight, _)| weight).collect();
        let mut world = World::new(Policy::Wrr, Some(Rate::new(1_000_000_000)), &sources, 5);
        world.run(u64::MAX, 8_000);
        for swing in swings(&world.log, &weights, |sent| sent.packets as f64) {
            prop_assert!(swing.low >= -64.1 && swing.high <= 64.1, "{swing:?}");
        }
    }

    #[test]
    fn a_cap_is_exceeded_by_its_burst_and_no_more(
        link in link(),
        shaped: bool,
        vifs in prop::collection::vec((weight(), sizes(), 0.001..1.0f64, 2_048u64..100_000), 1..=8),
        comes_back in prop_oneof![Just(0u64), Just(3)],
    ) {
        let rate = |part: f64| Rate::new((part * link.bits_per_s as f64) as u64);
        let sources: Vec<_> = vifs
            .iter()
            .map(|&(weight, sizes, max, burst)| Source::greedy(weight, sizes).max(rate(max).bits_per_s, burst))
            .collect();
        let mut world = World::new(Policy::Drr, shaped.then_some(link), &sources, 5);
        world.device = (!shaped).then_some(link);
        world.comes_back = comes_back;
        world.run(u64::MAX, 5_000);
        for (at, &(_, sizes, max, burst)) in vifs.iter().enumerate() {
            let (over, _) = around(&world, at, rate(max));
            // A burst counts as at least two containers.
            let burst = (burst as f64).max(2.0 * f64::from(sizes.1.max(CONTAINER)));
            prop_assert!(over <= burst + 1.0, "vif {at}: {over} above, burst {burst}");
        }
        world.end();
    }

    #[test]
    fn a_minimum_is_kept_from_the_start(
        link in link(),
        vifs in prop::collection::vec((weight(), sizes(), prop::option::of(0.05..1.0f64)), 2..=16),
        polite in prop::option::of(0.01..0.5f64),
    ) {
        let fair = 0.95 * link.bits_per_s as f64 / vifs.len() as f64;
        let mut sources: Vec<_> = vifs
            .iter()
            .map(|&(weight, sizes, min)| {
                let source = Source::greedy(weight, sizes);
                if let Some(min) = min { source.min((min * fair) as u64) } else { source }
            })
            .collect();
        if let Some(polite) = polite {
            sources.push(Source::cbr(polite * fair, 500));
        }
        let mut world = World::new(Policy::Drr, Some(link), &sources, 5);
        world.run(u64::MAX, 8_000);
        // The vif's own container, another that has just begun, and what prompt containers may be ahead.
        let ahead = link.bits_per_s as f64 / 8e9 * 100_000.0;
        for (at, source) in sources.iter().enumerate() {
            if let Some(min) = source.share.min_rate {
                let (_, short) = around(&world, at, min);
                let part = min.bits_per_s as f64 / link.bits_per_s as f64;
                let allowed = 2.0 * largest(&sources) + part * ahead;
                prop_assert!(short <= allowed, "vif {at}: {short} short, {allowed}; {source:?}");
            }
        }
        world.end();
    }

    #[test]
    fn a_link_is_full_and_not_more_than_full(
        link in link(),
        vifs in prop::collection::vec((weight(), sizes(), 0..4), 1..=12),
        comes_back in prop_oneof![Just(0u64), Just(4)],
    ) {
        let mut sources: Vec<_> = vifs
            .iter()
            .map(|&(weight, sizes, kind)| {
                let round_ns = link.time_ns(100 * u64::from(CONTAINER));
                let sends = match kind {
                    0 => Sends::Single { pause_ns: 0 },
                    1 => Sends::OnOff {
                        bps: link.bits_per_s as f64 / 3.0,
                        on_ns: round_ns,
                        off_ns: 2 * round_ns,
                    },
                    2 => Sends::Bursts { packets: 20, every_ns: round_ns },
                    _ => Sends::Greedy,
                };
                Source { sends, ..Source::greedy(weight, sizes) }
            })
            .collect();
        sources.push(Source::greedy(1, (64, 1514)));
        let mut world = World::new(Policy::Drr, Some(link), &sources, 5);
        world.comes_back = comes_back;
        world.run(u64::MAX, 5_000);
        let (mut swing, mut got) = (Swing::default(), 0.0);
        for sent in &world.log {
            let earned = link.bits_per_s as f64 / 8e9 * sent.at_ns as f64;
            swing.see(got - earned);
            got += sent.bytes as f64;
            swing.see(got - earned);
        }
        let bytes_in = |ns: f64| link.bits_per_s as f64 / 8e9 * ns;
        let one = largest(&sources);
        let slack = bytes_in(2e6).max(2.0 * one);
        let ahead = bytes_in(1e5).max(2.0 * one);
        prop_assert!(swing.rise <= slack + ahead + one, "{} of {}", swing.rise, slack + ahead + one);
        prop_assert!(swing.fall <= slack + ahead + one, "{} short", swing.fall);
        world.end();
    }
}
