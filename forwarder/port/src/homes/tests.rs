use super::*;
use crate::pool::Census;
use weir_abi::Meta;
use weir_core::PortId;

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
