use super::*;
use weir_abi::Meta;

#[test]
fn frames_are_finite_and_come_back() {
    let mut pool = Pool::heap(3);
    let frames: Vec<Frame> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(frames.len(), 3);
    assert_eq!(pool.census().held, 3);
    for frame in frames {
        pool.free(frame);
    }
    assert_eq!(pool.census(), Census { total: 3, free: 3, ..Census::default() });
}

#[test]
fn what_comes_next_is_put_in_order() {
    let mut pool = Pool::heap(600);
    let mut frames: Vec<Frame> = (0..500).filter_map(|_| pool.alloc()).collect();
    // The order in which two guests' frames return: alternating, and backwards.
    while !frames.is_empty() {
        let middle = frames.swap_remove(frames.len() / 2);
        pool.free(middle);
    }
    pool.order_next();
    let mut next: Vec<Frame> = (0..Pool::ORDERED).filter_map(|_| pool.alloc()).collect();
    assert!(next.is_sorted_by_key(Frame::index));
    next.drain(..).for_each(|frame| pool.free(frame));
    assert_eq!(pool.census(), Census { total: 600, free: 600, ..Census::default() });
}

#[test]
fn the_frame_used_last_is_used_next() {
    let mut pool = Pool::heap(8);
    let frame = pool.alloc().unwrap();
    let idx = frame.index();
    pool.free(frame);
    let frame = pool.alloc().unwrap();
    assert_eq!(frame.index(), idx);
    pool.free(frame);
}

#[test]
fn the_kernel_is_not_believed() {
    let port = PortId(7);
    let mut pool = Pool::heap(4);
    let idx = pool.alloc().unwrap().into_index();
    let addr = u64::from(idx) * CHUNK as u64 + HEADROOM as u64;
    // The frame is held, and not in the fill ring.
    assert_eq!(pool.claim_received(port, addr, 60), None);
    pool.set_owner(idx, Owner::fill(port));
    for (who, addr, len) in [
        (PortId(8), addr, 60),
        (port, addr + 1, 60),
        (port, addr, 0),
        (port, addr, ROOM as u32 + 1),
        (port, 4 * CHUNK as u64 + HEADROOM as u64, 60),
        (port, u64::MAX, 60),
    ] {
        assert_eq!(pool.claim_received(who, addr, len), None);
    }
    assert_eq!(pool.complete(port, addr), None);
    assert_eq!(pool.claim_received(port, addr, 60), Some(idx));
    // The same frame cannot be claimed twice.
    assert_eq!(pool.claim_received(port, addr, 60), None);
    pool.free_index(idx);
}

#[test]
fn reclaim_takes_only_what_the_port_had() {
    let mut pool = Pool::heap(4);
    let [a, b, c] = std::array::from_fn(|_| pool.alloc().unwrap().into_index());
    pool.set_owner(a, Owner::fill(PortId(1)));
    pool.set_owner(b, Owner::tx(PortId(1)));
    pool.set_owner(c, Owner::tx(PortId(2)));
    assert_eq!(pool.reclaim(PortId(1)), 2);
    let census = pool.census();
    assert!(census.adds_up());
    assert_eq!((census.free, census.tx), (3, 1));
}

fn halves(frames: u32) -> (Pool, Pool) {
    let mut parts = Pool::heap(frames).divide(2);
    let second = parts.pop().unwrap();
    (parts.pop().unwrap(), second)
}

fn go_home(from: &mut Pool, to: &mut Pool) {
    from.drain_away(to.home(), |idx| {
        assert!(to.take_back_freed(idx));
        true
    });
}

#[test]
fn every_frame_has_one_home() {
    for (frames, parts) in [(1, 1), (8, 2), (10, 3), (5, 5), (3, 9), (7, 0)] {
        let mut pools = Pool::heap(frames).divide(parts);
        assert_eq!(pools.len(), parts.clamp(1, frames as usize));
        let total: usize = pools.iter().map(|pool| pool.census().total).sum();
        assert_eq!(total, frames as usize);
        let mut seen = Vec::new();
        for (home, pool) in pools.iter_mut().enumerate() {
            assert_eq!((pool.home(), pool.available()), (home, pool.census().total));
            while let Some(frame) = pool.alloc() {
                assert_eq!(pool.home_of(frame.index(), pool.homes()), home);
                seen.push(frame.into_index());
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..frames).collect::<Vec<_>>());
    }
}

#[test]
fn a_part_is_not_divided_again() {
    let (first, second) = halves(8);
    assert_eq!(first.divide(2).len(), 1);
    assert_eq!(second.divide(2).len(), 1);
}

#[test]
fn a_packet_is_the_same_in_every_pool_and_its_frames_come_home() {
    let (mut first, mut second) = halves(8);
    let bytes: Vec<u8> = (0..9000).map(|i| (i % 251) as u8).collect();
    let packet = first.compose(&bytes, &Meta::default()).unwrap();
    assert_eq!(second.chunks(&packet).collect::<Vec<_>>().concat(), bytes);
    second.release(packet);
    // The frames are free, but in neither free list yet.
    assert_eq!((first.available(), second.available(), second.away(0)), (1, 4, 3));
    assert_eq!(first.census(), Census { total: 4, free: 4, ..Census::default() });
    let mut room = 2;
    second.drain_away(0, |idx| {
        room -= 1;
        room >= 0 && first.take_back_freed(idx)
    });
    assert_eq!((first.available(), second.away(0)), (3, 1));
    go_home(&mut second, &mut first);
    assert_eq!((first.available(), second.away(0)), (4, 0));
}

#[test]
fn only_what_is_on_its_way_comes_home() {
    let (mut first, mut second) = halves(8);
    let frame = first.alloc().unwrap();
    let idx = frame.index();
    // A frame that is held, one of another home, two that do not exist, and one that is free.
    for wrong in [idx, 4, 8, u32::MAX, 3 - idx] {
        assert!(!first.take_back_freed(wrong), "{wrong}");
    }
    second.free(frame);
    assert!(!second.take_back_freed(idx));
    assert!(first.take_back_freed(idx));
    assert!(!first.take_back_freed(idx), "not twice");
    assert_eq!(first.available(), 4);
}

#[test]
fn a_port_that_goes_gives_back_what_other_workers_received() {
    let (mut first, mut second) = halves(8);
    let (mine, theirs) = (first.alloc().unwrap(), second.alloc().unwrap());
    first.set_owner(mine.into_index(), Owner::tx(PortId(1)));
    second.set_owner(theirs.into_index(), Owner::tx(PortId(1)));
    let other = second.alloc().unwrap().into_index();
    second.set_owner(other, Owner::tx(PortId(2)));
    assert_eq!(first.reclaim(PortId(1)), 2);
    assert_eq!((first.available(), first.away(1)), (4, 1));
    go_home(&mut first, &mut second);
    assert_eq!((second.available(), second.census().tx), (3, 1));
}
