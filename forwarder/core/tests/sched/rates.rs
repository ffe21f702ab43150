//! Compares long-run rates with the oracle, to 1 % and the two containers that any moment may be off by.

use proptest::prelude::*;
use weir_core::sched::oracle::{Demand, shares};
use weir_core::{Policy, Rate, SchedulerSettings};

use crate::world::{CONTAINER, Sends, Source, World};

/// Values as parts of the link's rate, so that a source can be drawn before the link.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    weight: u32,
    sizes: (u32, u32),
    /// What it sends, in equal shares of the link; `None`: greedy.
    demand: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    burst: u64,
}

pub(crate) fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..=4, 1u32..=30, 1u32..=1000]
}

pub(crate) fn sizes() -> impl Strategy<Value = (u32, u32)> {
    prop_oneof![
        Just((64, 64)),
        Just((1514, 1514)),
        Just((4096, 4096)),
        Just((64, 1514)),
        Just((64, 9000)),
        Just((9000, 9000)),
        (64u32..=9000).prop_map(|size| (size, size)),
    ]
}

pub(crate) fn link() -> impl Strategy<Value = Rate> {
    (6.0..=11.0f64).prop_map(|log| Rate::new(10f64.powf(log) as u64))
}

fn draw() -> impl Strategy<Value = Draw> {
    (
        weight(),
        sizes(),
        prop::option::weighted(0.3, 0.05..1.5f64),
        prop::option::weighted(0.3, 0.05..0.95f64),
        prop::option::weighted(0.3, 0.0..3.0f64),
        36_000u64..200_000,
    )
        .prop_map(|(weight, sizes, demand, min, more, burst)| Draw {
            weight,
            sizes,
            demand,
            min,
            max: more.map(|more| (min.unwrap_or(0.0) + more).max(0.02)),
            burst,
        })
}

pub(crate) fn source(draw: &Draw, fair_bps: f64) -> Source {
    let mut source = Source::greedy(draw.weight, draw.sizes);
    if let Some(demand) = draw.demand {
        source.sends = Sends::Cbr { bps: demand * fair_bps };
    }
    if let Some(min) = draw.min {
        source = source.min((min * fair_bps) as u64);
    }
    if let Some(max) = draw.max {
        source = source.max((max * fair_bps) as u64, draw.burst);
    }
    source
}

/// Runs twice for about the time of this many containers. Returns for the second half what the oracle gives
/// for what was offered, what each vif got, and the length in seconds.
fn measured(
    link: Rate,
    sources: &[Source],
    containers: u64,
    shaped: bool,
    comes_back: u64,
) -> (Vec<f64>, Vec<f64>, f64) {
    // A vif that pauses for longer than its debt is remembered may get more than the oracle gives.
    let settings = SchedulerSettings { policy: Policy::Drr, inactive_after_ns: u64::MAX };
    let mut world = World::with(settings, shaped.then_some(link), sources, 11);
    world.device = (!shaped).then_some(link);
    world.comes_back = comes_back;
    let half_ns = link.time_ns(containers * u64::from(CONTAINER));
    world.run(half_ns, usize::MAX);
    let before: Vec<_> = world.vifs.iter().map(|vif| (vif.sent_bytes, vif.offered_bytes)).collect();
    let from_ns = world.now;
    world.run(2 * half_ns, usize::MAX);
    let seconds = (world.now - from_ns) as f64 / 1e9;
    let bps = |bytes: u64| bytes as f64 * 8.0 / seconds;
    let demands: Vec<_> = world
        .vifs
        .iter()
        .zip(&before)
        .map(|(vif, (_, offered))| Demand {
            weight: vif.source.share.weight,
            min: if shaped {
                vif.source.share.min_rate.map_or(0.0, |rate| rate.bits_per_s as f64)
            } else {
                0.0
            },
            max: vif.source.share.max_rate.map_or(f64::INFINITY, |rate| rate.bits_per_s as f64),
            demand: match vif.source.sends {
                Sends::Greedy => f64::INFINITY,
                _ => bps(vif.offered_bytes - offered),
            },
        })
        .collect();
    let rates =
        world.vifs.iter().zip(&before).map(|(vif, (sent, _))| bps(vif.sent_bytes - sent)).collect();
    world.end();
    (shares(link, &demands), rates, seconds)
}

fn check(
    link: Rate,
    sources: &[Source],
    shaped: bool,
    comes_back: u64,
) -> Result<(), TestCaseError> {
    let (ideals, rates, seconds) = measured(link, sources, 20_000, shaped, comes_back);
    for (at, (rate, ideal)) in rates.iter().zip(&ideals).enumerate() {
        let largest = f64::from(sources[at].sizes.1.max(CONTAINER));
        let share = &sources[at].share;
        let burst = if share.max_rate.is_some() { share.burst_bytes as f64 } else { 0.0 };
        let allowed = 0.01 * ideal + (2.0 * largest + burst) * 8.0 / seconds;
        prop_assert!(
            (rate - ideal).abs() <= allowed,
            "vif {at} got {rate:.0}, ideal {ideal:.0}, {:.2} %; {:?}",
            (rate / ideal - 1.0) * 100.0,
            sources[at]
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn long_run_rates_are_the_oracles(
        link in link(),
        shaped: bool,
        comes_back in prop_oneof![3 => Just(0u64), 1 => Just(5)],
        draws in prop::collection::vec(draw(), 1..=16),
    ) {
        let fair_bps = link.bits_per_s as f64 / draws.len() as f64;
        let sources: Vec<_> = draws.iter().map(|draw| source(draw, fair_bps)).collect();
        check(link, &sources, shaped, comes_back)?;
    }
}
