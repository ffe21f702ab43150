use super::*;

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
