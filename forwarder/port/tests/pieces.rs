//! A superframe that is cut into pieces gives the same frames on the wire as one that is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "bed/frames.rs"]
mod frames;

use frames::{frame, superframe};
use proptest::prelude::*;
use weir_abi::gso::gso_kind;
use weir_abi::{Meta, classify, meta_flags};
use weir_core::{PortId, Reason};
use weir_port::pool::ROOM;
use weir_port::{MemPort, Packet, Pool, Port, TxFeatures};

const FRAMES: u32 = 2048;
/// Pieces of the longest superframe with the smallest segments.
const ROOM_FOR: usize = 700;

/// The frames that a device without any offload puts on the wire.
fn on_the_wire(pool: &mut Pool, packets: impl IntoIterator<Item = Packet>) -> Vec<Vec<u8>> {
    let mut port = MemPort::new(PortId(2), 1024);
    port.retune(9000, TxFeatures::default());
    for packet in packets {
        port.send(pool, packet).unwrap();
    }
    port.kick(pool);
    port.complete(pool);
    let sent = std::iter::from_fn(|| port.take_tx());
    sent.map(|sent| {
        assert_eq!(sent.vnet, None);
        let verdict = classify(&sent.bytes[..]).unwrap();
        let mut bytes = sent.bytes;
        // A sum of zero has two forms, of which UDP allows only this one.
        let at = usize::from(verdict.csum_off());
        if bytes[at..at + 2] == [0, 0] && !verdict.is(meta_flags::UDP) {
            bytes[at..at + 2].fill(0xff);
        }
        bytes
    })
    .collect()
}

fn cut(pool: &mut Pool, packet: Packet, max_bytes: u32) -> Vec<Packet> {
    let mut pieces = Vec::with_capacity(ROOM_FOR);
    pool.cut_pieces(packet, max_bytes, &mut pieces).unwrap();
    assert_eq!(pieces.capacity(), ROOM_FOR, "the list must not grow");
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn pieces_become_the_frames_that_the_superframe_would_have_become(
        tags in 0_usize..3,
        v6: bool,
        udp: bool,
        payload in 1_usize..60_000,
        gso_size in prop_oneof![1 => 100_u16..1448, 2 => Just(1400_u16), 1 => 2000_u16..3600],
        max_bytes in prop_oneof![4 => 1000_u32..20_000, 1 => Just(0_u32), 1 => Just(u32::MAX)],
    ) {
        let mut pool = Pool::heap(FRAMES);
        let bytes = frame(tags, v6, udp, payload);
        let headers = bytes.len() - payload;
        let whole = superframe(&mut pool, &bytes, gso_size);
        let described = (whole.ingress, whole.ingress_ns, whole.flow_hash, whole.vlan);
        let whole = on_the_wire(&mut pool, [whole]);

        let packet = superframe(&mut pool, &bytes, gso_size);
        let pieces = cut(&mut pool, packet, max_bytes);
        let cut_up = pieces.len() > 1;
        let mut held = 0;
        for piece in &pieces {
            let len = piece.len() as usize;
            let longest = (max_bytes as usize).max(headers + usize::from(gso_size));
            prop_assert!(len <= longest, "{len} bytes, {longest} allowed");
            prop_assert_eq!(usize::from(piece.frames()), len.div_ceil(ROOM));
            prop_assert_eq!(pool.chunks(piece).map(<[u8]>::len).sum::<usize>(), len);
            let (port, at, hash, vlan) = described;
            prop_assert_eq!(piece.ingress, port);
            prop_assert_eq!((piece.ingress_ns, piece.flow_hash, piece.vlan), (at, hash, vlan));
            prop_assert!(piece.has(meta_flags::CSUM_PARTIAL));
            if cut_up {
                let many = len - headers > usize::from(gso_size);
                prop_assert_eq!(piece.is_superframe(), many);
                prop_assert_eq!(piece.has(meta_flags::GSO), many);
                prop_assert_eq!(piece.gso_size, if many { gso_size } else { 0 });
            }
            held += usize::from(piece.frames());
        }
        prop_assert_eq!(pool.census().held, held, "the superframe's frames are free again");
        let reckoned: u32 = pieces.iter().map(weir_core::Packet::len).sum();
        let sent: usize = whole.iter().map(Vec::len).sum();
        prop_assert_eq!(reckoned as usize, sent, "what links are charged for");
        prop_assert_eq!(on_the_wire(&mut pool, pieces), whole);
        prop_assert_eq!(pool.census().free, FRAMES as usize);
    }
}

#[test]
fn a_piece_longer_than_a_frame_is_a_chain() {
    let mut pool = Pool::heap(64);
    let bytes = frame(1, false, false, 30_000);
    let packet = superframe(&mut pool, &bytes, 1448);
    let pieces = cut(&mut pool, packet, 9000);
    assert_eq!(pieces.iter().map(Packet::frames).collect::<Vec<_>>(), [3, 3, 3, 2]);
    for piece in pieces {
        pool.release(piece);
    }
    assert_eq!(pool.census().free, 64);
}

#[test]
fn what_is_one_piece_already_stays_as_it_is() {
    let mut pool = Pool::heap(4);
    let bytes = frame(0, true, false, 2000);
    let packet = superframe(&mut pool, &bytes, 1400);
    let pieces = cut(&mut pool, packet, 4096);
    assert_eq!((pieces.len(), pieces[0].gso_size), (1, 1400));
    assert_eq!(pool.chunks(&pieces[0]).collect::<Vec<_>>().concat(), bytes);
    for piece in pieces {
        pool.release(piece);
    }
    assert_eq!(pool.census().free, 4);
}

#[test]
fn what_cannot_be_cut_comes_back_untouched() {
    let bytes = frame(0, false, false, 20_000);
    let refuse = |pool: &mut Pool, packet: Packet, room: usize| {
        let (free, frames) = (pool.census().free, packet.frames());
        let mut pieces = Vec::with_capacity(room);
        let Err((packet, reason)) = pool.cut_pieces(packet, 4096, &mut pieces) else {
            panic!("cut")
        };
        assert!(pieces.is_empty());
        assert_eq!((pool.census().free, packet.frames()), (free, frames));
        pool.release(packet);
        reason
    };
    // The superframe takes 6 frames, and its 10 pieces of two segments take one each.
    for (frames, expected) in [(13, Some(Reason::NoFrames)), (16, None)] {
        let mut pool = Pool::heap(frames);
        let packet = superframe(&mut pool, &bytes, 1400);
        match expected {
            Some(reason) => assert_eq!(refuse(&mut pool, packet, 16), reason),
            None => {
                for piece in cut(&mut pool, packet, 4096) {
                    pool.release(piece);
                }
            }
        }
        assert_eq!(pool.census().free, frames as usize);
    }
    let mut pool = Pool::heap(64);
    // The list has no room.
    let packet = superframe(&mut pool, &bytes, 1400);
    assert_eq!(refuse(&mut pool, packet, 3), Reason::GsoUnsupported);
    // Not a superframe, a superframe of a tunnel, and one of another kind than its headers.
    let plain = Meta::new(&classify(&bytes[..]).unwrap(), 1, bytes.len() as u32, 3);
    let tcp6 = Meta { gso_size: 1400, gso_type: gso_kind::TCP6, ..plain };
    let tunnel = Meta { gso_size: 1400, gso_type: 7, ..plain };
    for meta in [plain, tcp6, tunnel] {
        let packet = pool.compose(&bytes, &meta).unwrap();
        assert_eq!(refuse(&mut pool, packet, 16), Reason::GsoUnsupported);
    }
    // The header offsets are wrong.
    let meta = Meta { l4_off: 40, gso_size: 1400, gso_type: gso_kind::TCP4, ..plain };
    let packet = pool.compose(&bytes, &meta).unwrap();
    assert_eq!(refuse(&mut pool, packet, 16), Reason::GsoUnsupported);
    assert_eq!(pool.census().free, 64);
}
