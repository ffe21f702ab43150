use super::*;

fn must_not_be_asked() -> Option<Container<Packet>> {
    panic!("what is taken out of a queue without room for it is lost")
}

#[test]
fn one_worker_is_alone() {
    let mut all = peers(1).unwrap();
    assert!(all[0].is_alone());
    assert_eq!(all[0].room(0), 0);
    assert!(!all[0].hand_over(0, must_not_be_asked));
}

#[test]
fn what_one_hands_over_the_other_takes() {
    let mut all = peers(3).unwrap();
    let (before, after) = all.split_at_mut(2);
    let (one, other) = (&mut before[0], &mut after[0]);
    assert_eq!((one.index, other.index), (0, 2));
    for _ in 0..CONTAINERS {
        assert!(one.room(2) > 0);
        assert!(one.hand_over(2, || Some(Container::new(64))));
    }
    assert_eq!(one.room(2), 0);
    assert!(!one.hand_over(2, must_not_be_asked));
    assert!(other.has_arrivals(false));
    let taken: Vec<_> = std::iter::from_fn(|| other.take_over(0)).collect();
    assert_eq!(taken.len(), CONTAINERS);
    assert!(!other.has_arrivals(false));
    for container in taken {
        other.give_back(0, container).unwrap();
    }
    assert_eq!(std::iter::from_fn(|| one.returned(2)).count(), CONTAINERS);
    assert_eq!(one.handed_over(), other.taken_over());
}

fn rung(peers: &Peers) -> bool {
    let mut count = [0_u8; 8];
    rustix::io::read(peers.bell().unwrap().fd(), &mut count).is_ok()
}

#[test]
fn a_sleeper_is_woken_and_nobody_else() {
    let mut all = peers(2).unwrap();
    let (one, other) = all.split_at_mut(1);
    let (one, other) = (&mut one[0], &mut other[0]);
    assert!(one.hand_over(1, || Some(Container::new(64))));
    one.ring_bells();
    assert!(!rung(other), "it is awake and will look");
    other.bell().unwrap().set_asleep(false);
    one.ring_bells();
    assert!(!rung(other), "there is nothing new");
    assert!(one.hand_over(1, || Some(Container::new(64))));
    one.ring_bells();
    assert!(rung(other));
    other.bell().unwrap().set_awake();
}
/// Makes `one` return this many frames of `other`.
fn return_freed_frames(one: &mut Peers, pools: &mut [Pool], frames: usize) {
    for _ in 0..frames {
        let frame = pools[1].alloc().unwrap();
        pools[0].free(frame);
    }
    one.return_freed_frames(&mut pools[0]);
    one.ring_bells();
}

#[test]
fn who_needs_frames_is_woken_for_a_batch_of_them() {
    let mut pools = Pool::heap(1024).divide(2);
    let mut all = peers(2).unwrap();
    let (one, other) = all.split_at_mut(1);
    let (one, other) = (&mut one[0], &mut other[0]);
    return_freed_frames(one, &mut pools, 2 * WORTH_A_BELL);
    assert!(!rung(other), "it is awake and will look");
    other.bell().unwrap().set_asleep(false);
    return_freed_frames(one, &mut pools, WORTH_A_BELL);
    assert!(!rung(other), "it has frames enough");
    assert!(!other.has_arrivals(false) && other.has_arrivals(true));
    other.collect_freed_frames(&mut pools[1]);
    assert_eq!(pools[1].available(), 512);
    assert!(!other.has_arrivals(true));

    other.bell().unwrap().set_asleep(true);
    return_freed_frames(one, &mut pools, WORTH_A_BELL - 1);
    assert!(!rung(other), "not for every frame");
    return_freed_frames(one, &mut pools, 1);
    assert!(rung(other));
    one.ring_bells();
    assert!(!rung(other), "once");
}
