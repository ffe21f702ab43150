use super::*;
use crate::pool::{CHUNK, ROOM};
use zerocopy::IntoBytes;

const PORT: PortId = PortId(3);

fn filled(pool: &mut Pool, meta: &Meta) -> u64 {
    let idx = pool.alloc().unwrap().into_index();
    pool.set_owner(idx, Owner::fill(PORT));
    pool.memory.headroom_mut(idx)[HEADROOM - META_LEN..].copy_from_slice(meta.as_bytes());
    u64::from(idx) * CHUNK as u64 + HEADROOM as u64
}

fn meta(len: u32) -> Meta {
    Meta { len, port: PORT.0, abi: ABI_VERSION, ..Meta::default() }
}

#[test]
fn a_single_frame() {
    let mut pool = Pool::heap(2);
    let mut chain = Assembler::new(PORT);
    let addr = filled(&mut pool, &meta(60));
    let (Assembled::Packet(packet), true) = chain.push(&mut pool, addr, 60, false) else {
        panic!()
    };
    assert_eq!((packet.len(), packet.frames(), packet.ingress), (60, 1, PORT));
    pool.release(packet);
    assert_eq!(pool.census().free, 2);
}

#[test]
fn a_chain_waits_for_its_end() {
    let mut pool = Pool::heap(4);
    let mut chain = Assembler::new(PORT);
    let room = ROOM as u32;
    let addrs: Vec<u64> = (0..3).map(|_| filled(&mut pool, &meta(2 * room + 10))).collect();
    assert!(matches!(chain.push(&mut pool, addrs[0], room, true), (Assembled::More, true)));
    assert!(matches!(chain.push(&mut pool, addrs[1], room, true), (Assembled::More, true)));
    assert_eq!((pool.census().rx, pool.census().fill), (2, 1));
    let (Assembled::Packet(packet), _) = chain.push(&mut pool, addrs[2], 10, false) else {
        panic!()
    };
    assert_eq!((packet.len(), packet.frames()), (2 * room + 10, 3));
    assert_eq!(pool.census().held, 3);
    pool.release(packet);
}

#[test]
fn metadata_that_disagrees_is_not_believed() {
    let mut pool = Pool::heap(1);
    let mut chain = Assembler::new(PORT);
    for (wrong, name) in [
        (Meta { len: 59, ..meta(60) }, Reason::BadDescriptor),
        (Meta { abi: ABI_VERSION + 1, ..meta(60) }, Reason::BadDescriptor),
        (Meta { port: 4, ..meta(60) }, Reason::BadDescriptor),
        (Meta { len: 61, ..meta(60) }, Reason::TruncatedChain),
    ] {
        let addr = filled(&mut pool, &wrong);
        let (assembled, ours) = chain.push(&mut pool, addr, 60, false);
        assert!(matches!(assembled, Assembled::Lost(reason) if reason == name) && ours);
        assert_eq!(pool.census().free, 1);
    }
}

#[test]
fn one_bad_link_loses_the_chain_once() {
    let mut pool = Pool::heap(4);
    let mut chain = Assembler::new(PORT);
    let room = ROOM as u32;
    let addrs: Vec<u64> = (0..4).map(|_| filled(&mut pool, &meta(60))).collect();
    assert!(matches!(chain.push(&mut pool, addrs[0], room, true).0, Assembled::More));
    let (assembled, ours) = chain.push(&mut pool, addrs[1] + 8, room, true);
    assert!(matches!(assembled, Assembled::Lost(Reason::BadDescriptor)) && !ours);
    assert!(matches!(chain.push(&mut pool, addrs[2], room, true).0, Assembled::Rest));
    assert!(matches!(chain.push(&mut pool, addrs[2], room, false).0, Assembled::Rest));
    let (Assembled::Packet(packet), _) = chain.push(&mut pool, addrs[3], 60, false) else {
        panic!()
    };
    pool.release(packet);
    let census = pool.census();
    assert_eq!((census.free, census.fill), (3, 1)); // the misnamed frame still is the kernel's
}

#[test]
fn an_endless_chain_is_cut_off() {
    let mut pool = Pool::heap(40);
    let mut chain = Assembler::new(PORT);
    let mut lost = 0;
    for _ in 0..30 {
        let addr = filled(&mut pool, &meta(60));
        lost += usize::from(matches!(chain.push(&mut pool, addr, 60, true).0, Assembled::Lost(_)));
    }
    assert_eq!(lost, 1);
    assert_eq!(pool.census().free, 40);
}
