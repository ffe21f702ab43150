//! A vif within its share does not wait, and gains nothing by that.

use weir_core::{Policy, PortId, Rate, Share};

use crate::bounds::{around, swings};
use crate::world::{CONTAINER, Sends, Sent, Source, World};

/// Runs a polite vif next to three floods. Returns its longest wait, and what it got of what it sent.
fn polite(link: Rate, source: Source, floods: &[Source]) -> (u64, f64, f64) {
    let mut sources = floods.to_vec();
    sources.push(source);
    let mut world = World::new(Policy::Drr, Some(link), &sources, 3);
    world.run(link.time_ns(4_000 * u64::from(CONTAINER)), usize::MAX);
    let got = world.vifs[floods.len()].sent_bytes as f64;
    let total: u64 = world.vifs.iter().map(|vif| vif.sent_bytes).sum();
    let vif = &world.vifs[floods.len()];
    (vif.wait_most_ns, got / vif.offered_bytes as f64, got / total as f64)
}

#[test]
fn who_is_under_its_share_does_not_wait_for_floods() {
    let floods = vec![Source::greedy(1, (64, 1514)); 3];
    for mbit in [1, 10, 200, 1_000, 100_000] {
        for part in [0.01, 0.1, 0.2] {
            let bps = part * mbit as f64 * 1e6;
            let (waits_ns, ..) =
                polite(Rate::new(mbit * 1_000_000), Source::cbr(bps, 125), &floods);
            assert_eq!(waits_ns, 0, "{mbit} Mbit, {part} of it");
        }
    }
}

#[test]
fn who_is_under_its_minimum_does_not_wait_for_heavy_floods() {
    let floods = vec![Source::greedy(1_000, (64, 1514)); 3];
    for mbit in [10, 200, 10_000] {
        let bps = mbit * 1_000_000;
        let source = Source::cbr(bps as f64 / 20.0, 1_250).min(bps / 10);
        let (waits_ns, got, _) = polite(Rate::new(bps), source, &floods);
        assert_eq!(waits_ns, 0, "{mbit} Mbit");
        assert!(got > 0.999, "{got} of what it sent");
    }
}

#[test]
fn being_prompt_gains_nothing_above_the_share() {
    for (weights, own) in [([1, 1, 1], 1), ([10, 1, 1], 1), ([1, 1, 1], 7)] {
        let floods: Vec<_> = weights.iter().map(|&w| Source::greedy(w, (64, 1514))).collect();
        let share = f64::from(own) / f64::from(own + weights.iter().sum::<u32>());
        for mbit in [1, 10, 1_000, 100_000] {
            let link = Rate::new(mbit * 1_000_000);
            let single =
                Source { sends: Sends::Single { pause_ns: 0 }, ..Source::greedy(own, (64, 1514)) };
            let (.., part) = polite(link, single.clone(), &floods);
            assert!(part <= 1.01 * share, "{mbit} Mbit: {part} instead of {share}");
            // A pause after which a fast link forgets the debt, and a slow one does not.
            let pause = Source { sends: Sends::Single { pause_ns: 10_000_000 }, ..single.clone() };
            let (.., part) = polite(link, pause, &floods);
            assert!(mbit > 10 || part <= 1.01 * share, "{mbit} Mbit: {part} instead of {share}");
            // With pauses long enough to be forgotten: one container each time, at least 16 containers apart.
            let forgotten_ns = 10_000_000.max(link.time_ns(16 * u64::from(CONTAINER)));
            let pause = Source { sends: Sends::Single { pause_ns: forgotten_ns }, ..single };
            let (.., part) = polite(link, pause, &floods);
            let most = f64::from(CONTAINER) * 8e9 / forgotten_ns as f64 / link.bits_per_s as f64;
            assert!(part <= 1.01 * share.max(most), "{mbit} Mbit: {part}, {share} or {most}");
        }
    }
}

#[test]
fn idling_earns_nothing() {
    for idle_ms in [1, 9, 11, 500] {
        let sources = vec![
            Source::greedy(1, (64, 1514)),
            Source::greedy(2, (64, 1514)),
            Source {
                sends: Sends::Bursts { packets: 1_000, every_ns: idle_ms * 1_000_000 },
                ..Source::greedy(3, (1000, 1000))
            },
        ];
        let link = Rate::new(1_000_000_000);
        let mut world = World::new(Policy::Drr, Some(link), &sources, 3);
        // The first burst comes within 10 us and takes 16 ms, so the next ones queue behind it.
        world.run((idle_ms + 40) * 1_000_000, usize::MAX);
        let begins =
            world.log.iter().position(|sent| sent.at_ns >= idle_ms * 1_000_000 + 20_000).unwrap();
        let first = world.log[begins..].iter().position(|sent| sent.vif == 2).unwrap() + begins;
        let mut total = 0.0;
        let mut got = 0.0;
        for sent in &world.log[first..first + 200] {
            total += sent.bytes as f64;
            got += if sent.vif == 2 { sent.bytes as f64 } else { 0.0 };
            assert!(
                got <= total / 2.0 + 2.0 * f64::from(CONTAINER),
                "{idle_ms} ms: {got} of {total}"
            );
        }
    }
}

#[test]
fn new_weights_and_rates_apply_at_once_and_lose_nothing() {
    let sources = vec![Source::greedy(1, (64, 1514)); 3];
    let mut world = World::new(Policy::Drr, Some(Rate::new(1_000_000_000)), &sources, 3);
    for (round, weights) in [[1, 1, 1], [1000, 1, 1], [1, 2, 3], [30, 1, 30]].iter().enumerate() {
        for (at, &weight) in weights.iter().enumerate() {
            let share = Share { weight, ..Share::default() };
            world.scheduler.set_share(world.now, PortId(at as u16), &share);
        }
        let from = world.log.len();
        world.run(u64::MAX, (round + 1) * 2_000);
        for swing in swings(&world.log[from..], weights, |sent| sent.bytes as f64) {
            let two = 2.0 * f64::from(CONTAINER);
            assert!(swing.low >= -two && swing.high <= two, "{weights:?}: {swing:?}");
        }
    }
    let now = world.now;
    world.scheduler.set_link_rate(now, Some(Rate::new(10_000_000)));
    world.run(now + 1_000_000_000, usize::MAX);
    let sent: u64 = world.log.iter().filter(|sent| sent.at_ns >= now).map(|sent| sent.bytes).sum();
    assert!((1_240_000..1_270_000).contains(&sent), "{sent} bytes in a second of 10 Mbit");
    world.end();
}

#[test]
fn the_smallest_burst_is_enough_for_a_cap_just_below_the_share() {
    let link = Rate::new(1_000_000_000);
    for part_of_share in [0.5, 0.9, 0.98] {
        let mut sources = vec![Source::greedy(1, (4096, 4096)); 19];
        let max = part_of_share * 50e6;
        sources.push(Source::greedy(1, (4096, 4096)).max(max as u64, 2_048));
        let mut world = World::new(Policy::Drr, Some(link), &sources, 3);
        world.run(500_000_000, usize::MAX);
        let part = world.vifs[19].sent_bytes as f64 * 8.0 / 0.5 / max;
        assert!((0.99..=1.01).contains(&part), "{part} of its cap");
    }
}

#[test]
fn a_device_that_often_takes_less_changes_no_minimum() {
    let link = Rate::new(1_000_000_000);
    let mut sources = vec![Source::greedy(10, (64, 64)); 4];
    sources.push(Source::greedy(1, (64, 64)).min(100_000_000));
    let mut world = World::new(Policy::Drr, Some(link), &sources, 3);
    world.comes_back = 2;
    world.run(100_000_000, usize::MAX);
    let part = world.vifs[4].sent_bytes as f64 * 8.0 / 0.1 / 1e8;
    assert!((0.99..=1.01).contains(&part), "{part} of its minimum");
}

#[test]
fn who_lives_on_minimums_does_not_come_between_the_others() {
    let link = Rate::new(1_000_000_000);
    let mut sources = vec![Source::greedy(1, (4096, 4096)).min(90_000_000); 10];
    sources.push(Source::greedy(1, (4096, 4096)));
    sources.push(Source::greedy(1, (4096, 4096)));
    let mut world = World::new(Policy::Drr, Some(link), &sources, 3);
    world.run(20_000_000, usize::MAX);
    // One of the two starts afresh, and is served like the other from then on.
    while world.scheduler.take(PortId(11)).is_some() {}
    world.forget(11);
    world.run(40_000_000, usize::MAX);
    let from = world.log.len();
    world.restart(11);
    world.run(80_000_000, usize::MAX);
    let log: Vec<_> = world.log[from..]
        .iter()
        .filter(|sent| sent.vif >= 10)
        .map(|sent| Sent { vif: sent.vif - 10, ..*sent })
        .collect();
    for swing in swings(&log, &[1, 1], |sent| sent.bytes as f64) {
        let one = f64::from(CONTAINER);
        assert!(swing.low >= -one && swing.high <= one, "{swing:?}");
    }
}

#[test]
fn of_minimums_the_one_that_is_due_first_goes_first() {
    let link = Rate::new(1_000_000_000);
    let mut sources = vec![Source::greedy(1, (4096, 4096)).min(30_000_000); 15];
    sources.push(Source::greedy(1, (4096, 4096)).min(500_000_000));
    let mut world = World::new(Policy::Drr, Some(link), &sources, 3);
    world.run(20_000_000, usize::MAX);
    let (_, short) = around(&world, 15, Rate::new(500_000_000));
    assert!(short <= 1.5 * f64::from(CONTAINER), "{short} bytes short");
}
