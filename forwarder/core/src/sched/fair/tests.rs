use std::sync::Arc;

use crate::sched::testing::{Sized, enqueue, next, turns};
use crate::sched::{Next, Scheduler};
use crate::{Caps, Policy, PortId, Rate, SchedulerSettings, Share};

const MBIT: u64 = 1_000_000;
const MS: u64 = 1_000_000;
/// One container of this size takes a millisecond at 32.768 Mb/s.
const FULL: &[u32] = &[4096];
const LINK: Rate = Rate::new(32_768_000);

fn drr(rate: Option<Rate>) -> (Scheduler<Sized>, Arc<Caps>) {
    let caps = Arc::new(Caps::default());
    let mut drr = Scheduler::new(&SchedulerSettings::default(), caps.clone());
    drr.set_link_rate(0, rate);
    (drr, caps)
}

fn fill(drr: &mut Scheduler<Sized>, now: u64, vif: u16, containers: usize) {
    for _ in 0..containers {
        enqueue(drr, now, vif, FULL);
    }
}

/// Advances `now` to when the next container may go, and returns its vif.
fn at_its_time(drr: &mut Scheduler<Sized>, now: &mut u64) -> Option<u16> {
    loop {
        match drr.next(*now) {
            Next::Container(c) => return Some(c.ingress().0),
            Next::NotBefore(at) => *now = at,
            Next::Empty => return None,
        }
    }
}

fn count(drr: &mut Scheduler<Sized>, now: &mut u64, containers: usize, vif: u16) -> usize {
    (0..containers).filter(|_| at_its_time(drr, now) == Some(vif)).count()
}

#[test]
fn a_heavy_one_is_interleaved_not_served_in_a_row() {
    let (mut drr, _) = drr(None);
    drr.set_share(0, PortId(1), &Share { weight: 30, ..Share::default() });
    fill(&mut drr, 0, 1, 100);
    for vif in 2..=31 {
        fill(&mut drr, 0, vif, 10);
    }
    let turns = turns(&mut drr, 0);
    assert!(turns[..60].chunks(2).all(|pair| pair.contains(&1)), "every other one: {turns:?}");
}

#[test]
fn a_debt_is_remembered_until_it_is_forgotten() {
    for (pause_ms, first) in [(9, 2), (11, 1)] {
        let (mut drr, _) = drr(None);
        // Both have the same tag, and 1 stops after it has had the first turn.
        fill(&mut drr, 0, 1, 1);
        fill(&mut drr, 0, 2, 20);
        assert_eq!(next(&mut drr, 0), Some((1, 1)));
        let now = pause_ms * MS;
        // Two containers, so that they are not prompt.
        fill(&mut drr, now, 1, 2);
        assert_eq!(next(&mut drr, now), Some((first, 1)), "after {pause_ms} ms");
    }
}

#[test]
fn below_its_minimum_it_goes_first_and_is_not_punished_for_it() {
    let (mut drr, _) = drr(Some(LINK));
    let half = Rate::new(LINK.bits_per_s / 2);
    drr.set_share(0, PortId(1), &Share { min_rate: Some(half), ..Share::default() });
    for vif in 1..=10 {
        fill(&mut drr, 0, vif, 2_000);
    }
    let mut now = 0;
    assert_eq!(at_its_time(&mut drr, &mut now), Some(1));
    let got = count(&mut drr, &mut now, 1_000, 1);
    assert!((498..=502).contains(&got), "half of the link: {got}");
    // The others stop: vif 1 and the one left share as if vif 1 had got no more than the other before.
    for vif in 3..=10 {
        while drr.take(PortId(vif)).is_some() {}
    }
    drr.set_share(now, PortId(1), &Share::default());
    let got = count(&mut drr, &mut now, 20, 1);
    assert!((8..=11).contains(&got), "{got} of 20");
}

#[test]
fn a_missed_minimum_is_made_up_for_within_limits() {
    let (mut drr, _) = drr(Some(LINK));
    let half = Rate::new(LINK.bits_per_s / 2);
    drr.set_share(0, PortId(1), &Share { min_rate: Some(half), ..Share::default() });
    for vif in 1..=10 {
        fill(&mut drr, 0, vif, 1_000);
    }
    // The worker was away for a second: 250 containers of minimum rate were missed.
    let mut now = 1_000 * MS;
    let row = (0..100).take_while(|_| at_its_time(&mut drr, &mut now) == Some(1)).count();
    assert!((4..=12).contains(&row), "{row} in a row");
}

#[test]
fn a_capped_one_is_set_aside_until_it_may() {
    let (mut drr, caps) = drr(None);
    caps.set(0, PortId(1), Some(LINK), 2 * 4096);
    fill(&mut drr, 0, 1, 5);
    fill(&mut drr, 0, 2, 3);
    assert_eq!(turns(&mut drr, 0), [1, 2, 1, 2, 2]);
    assert!(matches!(drr.next(0), Next::NotBefore(at) if at == MS));
    assert_eq!(turns(&mut drr, MS), [1]);
    // Its time was fixed when it was set aside: what another link takes now delays the next one.
    caps.charge(2 * MS, PortId(1), 8192);
    assert_eq!(turns(&mut drr, 2 * MS), [1]);
    assert!(matches!(drr.next(2 * MS), Next::NotBefore(at) if at > 3 * MS));
    // A lifted cap takes effect at once.
    caps.set(2 * MS, PortId(1), None, 0);
    drr.set_share(2 * MS, PortId(1), &Share::default());
    assert_eq!(turns(&mut drr, 2 * MS), [1]);
}

#[test]
fn links_get_a_cap_in_the_order_in_which_they_ask() {
    let (mut busy, caps) = drr(None);
    let mut free = Scheduler::new(&SchedulerSettings::default(), caps.clone());
    caps.set(0, PortId(1), Some(LINK), 2 * 4096);
    fill(&mut busy, 0, 1, 100);
    fill(&mut free, 0, 1, 100);
    let (mut of_busy, mut of_free) = (0, 0);
    // One of them asks ten times as often.
    for at in 0..200 {
        of_free += turns(&mut free, at * MS / 10).len();
        if at % 10 == 0 {
            of_busy += turns(&mut busy, at * MS / 10).len();
        }
    }
    assert!((20..=24).contains(&(of_busy + of_free)), "{of_busy} and {of_free}");
    assert!(of_busy >= 8, "{of_busy} and {of_free}");
    while free.take(PortId(1)).is_some() {}
    // What was reserved for the stopped link is returned: the other has the whole cap from here on.
    let before = of_busy;
    for at in 20..40 {
        of_busy += turns(&mut busy, at * MS).len();
    }
    assert!((19..=21).contains(&(of_busy - before)), "{of_busy} after {before}");
}

#[test]
fn a_lone_container_goes_while_the_link_is_busy_and_a_flood_does_not() {
    let (mut drr, _) = drr(Some(LINK));
    fill(&mut drr, 0, 1, 10);
    fill(&mut drr, 0, 2, 10);
    let now = 10 * MS;
    while next(&mut drr, now).is_some() {}
    enqueue(&mut drr, now, 3, &[100]);
    assert_eq!(turns(&mut drr, now), [3]);
    enqueue(&mut drr, now, 4, &[100]);
    enqueue(&mut drr, now, 4, &[100]);
    assert_eq!(turns(&mut drr, now), [0; 0], "it has more to come");
}

#[test]
fn a_prompt_one_does_not_break_a_minimum() {
    let (mut drr, _) = drr(Some(LINK));
    let most = Rate::new(LINK.bits_per_s * 9 / 10);
    drr.set_share(0, PortId(1), &Share { min_rate: Some(most), ..Share::default() });
    fill(&mut drr, 0, 1, 2_000);
    let (mut now, mut got) = (0, 0);
    for _ in 0..1_000 {
        // Keeps exactly one container queued, which by weight would get half of the link.
        let Scheduler::Fair(fair) = &drr else { panic!("it is not fair") };
        if !fair.queues.ready().contains(PortId(2)) {
            enqueue(&mut drr, now, 2, FULL);
        }
        got += usize::from(at_its_time(&mut drr, &mut now) == Some(1));
    }
    assert!((895..=905).contains(&got), "nine tenths: {got}");
}

#[test]
fn a_port_that_goes_away_leaves_no_trace_in_the_order() {
    let (mut drr, _) = drr(Some(Rate::new(1_000 * MBIT)));
    for vif in 1..=3 {
        fill(&mut drr, 0, vif, 10);
    }
    let mut now = 0;
    let Next::Container(c) = drr.next(now) else { panic!("empty") };
    let gone = c.ingress();
    drr.put_back(now, c);
    while drr.take(gone).is_some() {}
    let others: Vec<_> = (1..=3).filter(|&vif| vif != gone.0).collect();
    let order: Vec<_> = std::iter::from_fn(|| at_its_time(&mut drr, &mut now)).collect();
    assert_eq!(order.len(), 20);
    assert!(order.chunks(2).all(|pair| others.iter().all(|vif| pair.contains(vif))), "{order:?}");
}

#[test]
fn by_bytes_sizes_do_not_matter_and_weights_do() {
    let (mut drr, _) = drr(None);
    drr.set_share(0, PortId(3), &Share { weight: 2, ..Share::default() });
    for _ in 0..64 {
        enqueue(&mut drr, 0, 1, &[1000]);
        enqueue(&mut drr, 0, 2, &[500, 500, 500, 500]);
        enqueue(&mut drr, 0, 3, &[4000]);
    }
    let turns = turns(&mut drr, 0);
    let first = |n: usize, vif: u16| turns[..n].iter().filter(|&&at| at == vif).count();
    assert_eq!((first(56, 1), first(56, 2), first(56, 3)), (28, 14, 14));
    assert_eq!(turns.len(), 3 * 64);
}

#[test]
fn by_packets_packets_count_and_bytes_do_not() {
    let settings = SchedulerSettings { policy: Policy::Wrr, ..SchedulerSettings::default() };
    let mut wrr = Scheduler::new(&settings, Arc::new(Caps::default()));
    wrr.set_share(0, PortId(3), &Share { weight: 2, ..Share::default() });
    for _ in 0..64 {
        enqueue(&mut wrr, 0, 1, &[4000]);
        enqueue(&mut wrr, 0, 2, &[64, 64]);
        enqueue(&mut wrr, 0, 3, &[9000]);
    }
    let turns = turns(&mut wrr, 0);
    let first = |n: usize, vif: u16| turns[..n].iter().filter(|&&at| at == vif).count();
    assert_eq!((first(70, 1), first(70, 2), first(70, 3)), (20, 10, 40));
    assert_eq!(turns.len(), 3 * 64);
}
