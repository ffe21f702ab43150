//! Tests the rule against values computed by hand, and against streams it does not know.

use super::*;
use proptest::prelude::*;

const T0: u64 = 200_000;
/// 0.75, exact in 1/65536.
const THREE_QUARTERS: u32 = 49_152;
const PAPER: u32 = 64_881;

/// (D, V), to the nearest nanosecond.
fn mean_and_variation_ns(estimate: &Estimate) -> (u64, u64) {
    (nearest(estimate.mean_q16), nearest(estimate.variation_q16))
}

fn adaptive(alpha_q16: u32) -> ReleaseSettings {
    ReleaseSettings { policy: Release::Adaptive, timeout_ns: T0, alpha_q16, work_conserving: false }
}

#[test]
fn eager_and_fixed_do_not_ask_the_estimate() {
    let mut estimate = Estimate::default();
    let eager = ReleaseSettings::default();
    let fixed = ReleaseSettings { policy: Release::Fixed, ..adaptive(PAPER) };
    for n in [0, 70_000, 3] {
        assert_eq!(eager.stay(&estimate), (0, ReleaseReason::Flush));
        assert_eq!(fixed.stay(&estimate), (T0, ReleaseReason::Timeout));
        estimate.observe(PAPER, n);
    }
}

#[test]
fn estimates_follow_the_formulas() {
    let settings = adaptive(THREE_QUARTERS);
    let mut estimate = Estimate::default();
    assert_eq!(settings.stay(&estimate), (T0, ReleaseReason::Timeout));
    // First observation: D = n, V = n / 2.
    estimate.observe(THREE_QUARTERS, 16_000);
    assert_eq!(mean_and_variation_ns(&estimate), (16_000, 8_000));
    assert_eq!(settings.stay(&estimate), (48_000, ReleaseReason::Playout));
    // Second: half each. D = 20000; V = (8000 + 4000) / 2.
    estimate.observe(THREE_QUARTERS, 24_000);
    assert_eq!(mean_and_variation_ns(&estimate), (20_000, 6_000));
    assert_eq!(settings.stay(&estimate), (44_000, ReleaseReason::Playout));
    // Third: a third. D = (2 * 20000 + 2000) / 3 = 14000; V = (2 * 6000 + 12000) / 3 = 8000.
    estimate.observe(THREE_QUARTERS, 2_000);
    assert_eq!(mean_and_variation_ns(&estimate), (14_000, 8_000));
    // All further ones: a quarter. D = 0.75 * 14000 + 0 = 10500; V = 0.75 * 8000 + 0.25 * 10500 = 8625.
    estimate.observe(THREE_QUARTERS, 0);
    assert_eq!(mean_and_variation_ns(&estimate), (10_500, 8_625));
    assert_eq!(settings.stay(&estimate), (45_000, ReleaseReason::Playout));
    // D = 7875 + 0.25 * 180000 = 52875; V = 6468.75 + 0.25 * 127125 = 38250: past T0.
    estimate.observe(THREE_QUARTERS, 180_000);
    assert_eq!(mean_and_variation_ns(&estimate), (52_875, 38_250));
    assert_eq!(settings.stay(&estimate), (T0, ReleaseReason::Timeout));
}

/// A guest's greeting, whose first two packets are nearly T0 apart, must not determine how long all others
/// wait.
#[test]
fn the_first_observation_is_one_of_many() {
    let settings = adaptive(PAPER);
    let mut estimate = Estimate::default();
    estimate.observe(PAPER, T0 * 9 / 10);
    for _ in 0..25 {
        estimate.observe(PAPER, 0);
    }
    let early = settings.stay(&estimate).0;
    assert!(early < T0 * 6 / 10, "{early}");
    for _ in 25..100 {
        estimate.observe(PAPER, 0);
    }
    let hundred = settings.stay(&estimate).0;
    assert!(hundred < T0 * 2 / 10, "{hundred}");
    // Among many observations the same wait is one in a hundred.
    for _ in 0..2_000 {
        estimate.observe(PAPER, 0);
    }
    estimate.observe(PAPER, T0 * 9 / 10);
    let late = settings.stay(&estimate).0;
    assert!(late < T0 / 20, "{late}");
}

#[test]
fn the_mean_comes_to_rest_at_the_value() {
    let mut estimate = Estimate::default();
    estimate.observe(PAPER, 10_000);
    for _ in 0..5_000 {
        estimate.observe(PAPER, 60_000);
    }
    assert_eq!(mean_and_variation_ns(&estimate), (60_000, 0));
    assert_eq!(estimate.playout_ns(), Some(60_000));
    for _ in 0..5_000 {
        estimate.observe(PAPER, 0);
    }
    assert_eq!(mean_and_variation_ns(&estimate), (0, 0));
}

/// Fills containers of one pair as the engine does, with arrivals at any time and a turn at every moment.
/// Returns how long each container waited and how many packets it held.
fn gather(
    settings: &ReleaseSettings,
    estimate: &mut Estimate,
    arrivals: &[u64],
    holds: usize,
) -> Vec<(u64, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&opened) = arrivals.get(at) {
        let (stay, _) = settings.stay(estimate);
        let inside = arrivals[at..].iter().take(holds).take_while(|&&t| t <= opened + stay).count();
        let full = inside == holds && arrivals.get(at + holds).is_some_and(|&t| t <= opened + stay);
        let last = arrivals[at + inside - 1];
        let waited = if full { arrivals[at + holds] - opened } else { stay };
        estimate.observe(settings.alpha_q16, last - opened);
        out.push((waited, inside));
        at += inside;
    }
    out
}

#[test]
fn request_and_response_waits_once_and_for_looks_only() {
    let settings = adaptive(PAPER);
    let (mut estimate, mut now, mut waited) = (Estimate::default(), 0, Vec::new());
    let looks = 10;
    for _ in 0..1 + looks * (usize::from(PROBE_EVERY) + 1) {
        // The next request comes after the last answer, so never into the same container.
        let one = gather(&settings, &mut estimate, &[now], 8);
        waited.push(one[0].0);
        now += one[0].0 + 50_000;
    }
    assert_eq!(waited[0], T0);
    assert_eq!(waited[1..].iter().filter(|&&ns| ns == T0).count(), looks);
    assert_eq!(waited.iter().filter(|&&ns| ns == 0).count(), waited.len() - 1 - looks);
}

#[test]
fn a_steady_stream_fills_its_containers() {
    let settings = adaptive(PAPER);
    let mut estimate = Estimate::default();
    let arrivals: Vec<u64> = (0..20_000).map(|n| n * 10_000).collect();
    let containers = gather(&settings, &mut estimate, &arrivals, 8);
    let full = containers.iter().filter(|&&(_, inside)| inside == 8).count();
    assert!(full * 100 >= containers.len() * 99, "{full} of {}", containers.len());
    let (mean, variation) = mean_and_variation_ns(&estimate);
    assert_eq!((mean, variation), (70_000, 0));
}

#[test]
fn a_jittered_stream_fills_most_of_its_containers_in_less_than_the_timeout() {
    let settings = adaptive(PAPER);
    let (mut estimate, mut random, mut at) = (Estimate::default(), 1_u64, 0);
    let arrivals: Vec<u64> = (0..40_000)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // 10 us on average, between 2 and 18.
            at += 2_000 + (random >> 33) % 16_000;
            at
        })
        .collect();
    let containers = gather(&settings, &mut estimate, &arrivals, 8);
    let packets: usize = containers.iter().map(|&(_, inside)| inside).sum();
    assert_eq!(packets, arrivals.len());
    assert!(packets * 10 >= containers.len() * 75, "{} containers", containers.len());
    let playout = estimate.playout_ns().unwrap();
    assert!((70_000..T0).contains(&playout), "{playout}");
}

#[test]
fn a_stream_that_follows_single_packets_is_found() {
    let settings = adaptive(PAPER);
    let mut estimate = Estimate::default();
    let singles: Vec<u64> = (0..50).map(|n| n * 1_000_000).collect();
    gather(&settings, &mut estimate, &singles, 8);
    assert_eq!(estimate.playout_ns(), Some(0));
    let stream: Vec<u64> = (0..20_000).map(|n| 1_000_000_000 + n * 10_000).collect();
    let containers = gather(&settings, &mut estimate, &stream, 8);
    let found = containers.iter().position(|&(_, inside)| inside == 8).unwrap();
    assert!(found <= usize::from(PROBE_EVERY), "{found}");
    let late = &containers[containers.len() / 2..];
    assert!(late.iter().filter(|&&(_, inside)| inside == 8).count() * 100 >= late.len() * 99);
}

#[test]
fn closed_loops_that_share_a_pair_are_not_taken_for_a_stream() {
    let settings = adaptive(PAPER);
    let mut estimate = Estimate::default();
    estimate.observe(PAPER, 0);
    for _ in 0..PROBE_EVERY {
        assert_eq!(estimate.playout_ns(), Some(0));
        estimate.observe(PAPER, 0);
    }
    // The probe gathers the other loops, which then run in step, 2 us apart.
    assert_eq!(settings.stay(&estimate), (T0, ReleaseReason::Timeout));
    estimate.observe(PAPER, 150_000);
    assert_eq!(settings.stay(&estimate), (T0, ReleaseReason::Timeout));
    estimate.observe(PAPER, 2_000);
    assert_eq!(settings.stay(&estimate), (6_000, ReleaseReason::Playout));
}

proptest! {
    #[test]
    fn never_later_than_the_timeout_and_always_the_same(
        alpha in 0..=65_536_u32,
        timeout_ns in 0..10_000_000_000_u64,
        seen in prop::collection::vec(
            prop_oneof![Just(0), 0..300_000_u64, any::<u64>()], 0..400),
    ) {
        let settings = ReleaseSettings { timeout_ns, ..adaptive(alpha) };
        let (mut one, mut two) = (Estimate::default(), Estimate::default());
        for n in seen {
            one.observe(alpha, n);
            two.observe(alpha, n);
            prop_assert_eq!(one, two);
            let (stay, reason) = settings.stay(&one);
            prop_assert!(stay <= timeout_ns);
            prop_assert_eq!(reason == ReleaseReason::Timeout, stay == timeout_ns);
        }
    }

    #[test]
    fn the_mean_stays_among_what_was_seen(
        alpha in 0..=65_536_u32,
        seen in prop::collection::vec(1..300_000_u64, 1..100),
    ) {
        let mut estimate = Estimate::default();
        for &n in &seen {
            estimate.observe(alpha, n);
        }
        let (mean, variation) = mean_and_variation_ns(&estimate);
        let (low, high) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
        prop_assert!((low - 1..=*high).contains(&mean), "{mean}");
        prop_assert!(variation <= *high);
    }
}
