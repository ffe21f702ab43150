//! Frames and counters add up at every step, whatever the "kernel" does.
//!
//! The test makes random operations on two ports over one pool, with every fault. After each operation
//! `census()` adds up to the total, and the ledger of what went in and out is exact.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use proptest::prelude::*;
use weir_abi::gso::gso_kind;
use weir_abi::{ABI_VERSION, Meta, classify, meta_flags};
use weir_core::{PortId, Reason};
use weir_port::pool::ROOM;
use weir_port::{Faults, Kick, MemPort, Packet, Pool, Port, Refused, Sent, TxFeatures};

const FRAMES: u32 = 256;

#[derive(Clone, Debug)]
enum Op {
    Push { len: usize },
    PushChain { len: usize },
    PushSuperframe { payload: usize, gso_size: u16 },
    Refill,
    Receive { max: usize },
    Send { count: usize },
    Release,
    Kick,
    Complete,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (60_usize..1514).prop_map(|len| Op::Push { len }),
        1 => (ROOM + 1..3 * ROOM).prop_map(|len| Op::PushChain { len }),
        2 => (100_usize..40_000, 100_u16..1448)
            .prop_map(|(payload, gso_size)| Op::PushSuperframe { payload, gso_size }),
        2 => Just(Op::Refill),
        3 => (1_usize..20).prop_map(|max| Op::Receive { max }),
        3 => (1_usize..20).prop_map(|count| Op::Send { count }),
        1 => Just(Op::Release),
        2 => Just(Op::Kick),
        2 => Just(Op::Complete),
    ]
}

/// An Ethernet, IPv4 and TCP header, and a payload; checksum partial.
fn tcp4(payload: usize) -> Vec<u8> {
    let mut frame = vec![0; 14 + 20 + 20 + payload];
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&((40 + payload) as u16).to_be_bytes());
    frame[22] = 64;
    frame[23] = 6;
    frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    frame[34 + 12] = 0x50;
    for (i, byte) in frame[54..].iter_mut().enumerate() {
        *byte = i as u8;
    }
    let verdict = classify(&frame[..]).unwrap();
    frame[34 + 16..34 + 18].copy_from_slice(&verdict.pseudo.to_be_bytes());
    frame
}

fn superframe(payload: usize, gso_size: u16, port: PortId) -> (Vec<u8>, Meta) {
    let frame = tcp4(payload);
    let verdict = classify(&frame[..]).unwrap();
    let mut meta = Meta::new(&verdict, 1, frame.len() as u32, port.0);
    meta.flags |= meta_flags::GSO | meta_flags::CSUM_PARTIAL;
    meta.gso_size = gso_size;
    meta.gso_type = gso_kind::TCP4;
    (frame, meta)
}

/// Two ports, what was received and is not sent yet, and the counts so far.
struct World {
    pool: Pool,
    rx: MemPort,
    tx: MemPort,
    held: Vec<Packet>,
    pushed: u64,
    released: u64,
    lost: u64,
}

impl World {
    fn new(faults: &Faults, features: TxFeatures) -> Self {
        let (mut rx, mut tx) = (MemPort::new(PortId(1), 64), MemPort::new(PortId(2), 64));
        rx.set_faults(faults.clone());
        tx.set_faults(faults.clone());
        tx.retune(9000, features);
        Self {
            pool: Pool::heap(FRAMES),
            rx,
            tx,
            held: Vec::with_capacity(64),
            pushed: 0,
            released: 0,
            lost: 0,
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Push { len } => {
                let frame = tcp4(len - 54);
                self.rx.push_rx(&mut self.pool, &frame, 1);
                self.pushed += 1;
            }
            Op::PushChain { len } => {
                let (frame, meta) = superframe(len, 0, self.rx.slot);
                let meta = Meta { gso_size: 0, gso_type: 0, abi: ABI_VERSION, ..meta };
                self.rx.push_rx_meta(&mut self.pool, &frame, &meta);
                self.pushed += 1;
            }
            Op::PushSuperframe { payload, gso_size } => {
                let (frame, meta) = superframe(payload, gso_size, self.rx.slot);
                self.rx.push_rx_meta(&mut self.pool, &frame, &meta);
                self.pushed += 1;
            }
            Op::Refill => self.rx.refill(&mut self.pool),
            Op::Receive { max } => {
                self.rx.receive(&mut self.pool, &mut self.held, max);
                assert_eq!(self.held.capacity(), 64, "receive must not allocate");
            }
            Op::Send { count } => self.send(count),
            Op::Release => {
                if let Some(packet) = self.held.pop() {
                    self.pool.release(packet);
                    self.released += 1;
                }
            }
            Op::Kick => {
                self.tx.kick(&mut self.pool);
            }
            Op::Complete => {
                self.tx.complete(&mut self.pool);
            }
        }
    }

    fn send(&mut self, count: usize) {
        for _ in 0..count.min(self.held.len()) {
            let packet = self.held.remove(0);
            match self.tx.send(&mut self.pool, packet) {
                Ok(()) => {}
                Err(Refused::Full(packet)) => {
                    self.held.insert(0, packet);
                    return;
                }
                Err(Refused::Lost(packet, _)) => {
                    self.pool.release(packet);
                    self.lost += 1;
                }
            }
        }
    }

    /// received + segments = delivered + lost + in flight, on each side of the ports.
    fn check(&mut self) {
        let census = self.pool.census();
        assert!(census.adds_up(), "{census:?}");
        let (rx, tx) = (self.rx.stats(), self.tx.stats());
        if self.rx.rx_waiting() == 0 && census.rx == 0 {
            assert_eq!(self.pushed, rx.rx_packets + rx.losses.total(), "{rx:?}");
        }
        let came = rx.rx_packets + tx.segments_made;
        let went = tx.tx_packets + tx.losses.get(Reason::TxBusy) + self.lost + self.released;
        let there = (self.held.len() + self.tx.tx_outstanding()) as u64;
        assert_eq!(came, went + there, "{tx:?}");
    }

    /// Brings everything to rest: only the fill ring and frames kept by faults remain.
    fn settle(&mut self) {
        self.rx.set_faults(Faults::default());
        self.tx.set_faults(Faults::default());
        while self.rx.rx_waiting() > 0 || !self.held.is_empty() {
            self.rx.receive(&mut self.pool, &mut self.held, 64);
            self.send(64);
            self.tx.kick(&mut self.pool);
            self.tx.complete(&mut self.pool);
        }
        while self.tx.tx_outstanding() > 0 || self.pool.census().tx > 0 {
            self.tx.kick(&mut self.pool);
            self.tx.complete(&mut self.pool);
        }
        self.check();
        self.pool.reclaim(self.rx.slot);
        assert_eq!(self.pool.census().free, FRAMES as usize, "{:?}", self.pool.census());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        while let Some(packet) = self.held.pop() {
            self.pool.release(packet);
        }
    }
}

proptest! {
    #[test]
    fn every_frame_is_somewhere(
        ops in prop::collection::vec(op(), 1..200),
        seed: u64,
        thousandths in prop_oneof![Just(0_u16), Just(30), Just(300)],
        tso: bool,
    ) {
        let features = if tso { TxFeatures::ALL } else { TxFeatures::default() };
        let mut world = World::new(&Faults::all(seed, thousandths), features);
        for op in &ops {
            world.run(op);
            world.check();
        }
        world.settle();
    }
}

fn send_all(port: &mut MemPort, pool: &mut Pool, packet: Packet) -> Vec<Sent> {
    port.send(pool, packet).unwrap();
    port.kick(pool);
    port.complete(pool);
    std::iter::from_fn(|| port.take_tx()).collect()
}

#[test]
fn frames_pass_in_order_and_unchanged() {
    let mut world = World::new(&Faults::default(), TxFeatures::ALL);
    world.rx.refill(&mut world.pool);
    for len in [60, 1514, 900] {
        assert!(world.rx.push_rx(&mut world.pool, &vec![len as u8; len], 5));
        world.pushed += 1;
    }
    world.run(&Op::Receive { max: 64 });
    assert_eq!(world.held.iter().map(Packet::len).collect::<Vec<_>>(), [60, 1514, 900]);
    assert!(world.held.iter().all(|packet| packet.ingress_ns == 5));
    world.run(&Op::Send { count: 3 });
    assert_eq!(world.tx.kick(&mut world.pool), Kick::Progress(3));
    assert_eq!(world.tx.complete(&mut world.pool), 3);
    let sent: Vec<usize> =
        std::iter::from_fn(|| world.tx.take_tx()).map(|sent| sent.bytes.len()).collect();
    assert_eq!(sent, [60, 1514, 900]);
    world.settle();
}

#[test]
fn a_device_that_takes_nothing_for_many_turns_loses_nothing() {
    let mut pool = Pool::heap(FRAMES);
    let mut port = MemPort::new(PortId(2), 16);
    let stalled = Faults { again: 1000, no_buffers: 1000, ..Faults::default() };
    let (big, meta) = superframe(20_000, 1448, PortId(1));
    let mut queue = std::collections::VecDeque::new();
    let mut lens = Vec::new();
    for turn in 0..60 {
        match turn {
            10 => port.set_faults(stalled.clone()),
            50 => port.set_faults(Faults::default()),
            _ => {}
        }
        let packet = match turn % 8 {
            0 => pool.compose(&big, &meta),
            _ => pool.compose(&vec![0; 60 + turn], &Meta::default()),
        };
        let packet = packet.unwrap();
        lens.push(packet.len() as usize);
        queue.push_back(packet);
        while let Some(packet) = queue.pop_front() {
            if let Err(refused) = port.send(&mut pool, packet) {
                let Refused::Full(packet) = refused else { panic!("{refused:?}") };
                queue.push_front(packet);
                break;
            }
        }
        let kick = port.kick(&mut pool);
        port.complete(&mut pool);
        if (10..50).contains(&turn) {
            assert!(matches!(kick, Kick::Again | Kick::Idle), "{kick:?}");
        }
        if turn == 49 {
            assert!(queue.len() > 30, "the queue grows: {}", queue.len());
        }
    }
    assert!(queue.is_empty() && port.tx_outstanding() == 0);
    assert!(port.stats().losses.is_empty());
    let sent = std::iter::from_fn(|| port.take_tx()).map(|sent| sent.bytes.len());
    assert_eq!(sent.collect::<Vec<_>>(), lens);
    assert_eq!(pool.census().free, FRAMES as usize);
}

#[test]
fn a_superframe_leaves_whole_where_the_device_can_and_in_pieces_where_not() {
    let mut pool = Pool::heap(FRAMES);
    let (frame, meta) = superframe(20_000, 1448, PortId(1));
    let mut port = MemPort::new(PortId(2), 64);
    let packet = pool.compose(&frame, &meta).unwrap();
    let sent = send_all(&mut port, &mut pool, packet);
    assert_eq!(sent.len(), 1);
    let vnet = sent[0].vnet.unwrap();
    assert_eq!((vnet.gso_type, vnet.gso_size, vnet.hdr_len), (1, 1448, 54));
    assert_eq!((vnet.csum_start, vnet.csum_offset), (34, 16));
    assert_eq!(sent[0].bytes, frame);

    port.retune(1500, TxFeatures::default());
    let packet = pool.compose(&frame, &meta).unwrap();
    let sent = send_all(&mut port, &mut pool, packet);
    assert_eq!(sent.len(), 14);
    assert!(sent.iter().all(|sent| sent.vnet.is_none()));
    let payload: Vec<u8> = sent.iter().flat_map(|sent| sent.bytes[54..].to_vec()).collect();
    assert_eq!(payload, frame[54..]);
    assert_eq!((port.stats().segments_made, port.stats().tx_packets), (13, 15));

    // A smaller MTU makes smaller TCP segments.
    port.retune(1000, TxFeatures::ALL);
    let packet = pool.compose(&frame, &meta).unwrap();
    let sent = send_all(&mut port, &mut pool, packet);
    assert_eq!(sent[0].vnet.unwrap().gso_size, 960);
    assert_eq!(pool.census().free, FRAMES as usize);
}

#[test]
fn what_no_device_can_take_is_refused_by_name() {
    let mut pool = Pool::heap(16);
    let mut port = MemPort::new(PortId(2), 8);
    port.retune(1500, TxFeatures::default());
    let mut refuse = |frame: &[u8], meta: &Meta| {
        let packet = pool.compose(frame, meta).unwrap();
        let Err(Refused::Lost(packet, reason)) = port.send(&mut pool, packet) else {
            panic!("taken")
        };
        pool.release(packet);
        reason
    };
    let plain = Meta::default();
    assert_eq!(refuse(&[0; 1515], &plain), Reason::MtuExceeded);
    // The MTU does not count the two known tags; one byte beyond them is too long.
    let tagged = Meta { flags: meta_flags::TAGGED | meta_flags::TAGGED2, ..plain };
    assert_eq!(refuse(&[0; 1523], &tagged), Reason::MtuExceeded);
    let (frame, meta) = superframe(20_000, 1448, PortId(1));
    let tunnel = Meta { gso_type: 7, ..meta };
    assert_eq!(refuse(&frame, &tunnel), Reason::GsoUnsupported);
    // 14 segments for a ring of 8, which can never hold them.
    assert_eq!(refuse(&frame, &meta), Reason::GsoUnsupported);
    // 7 segments would fit the ring, but the pool does not have enough frames.
    let (frame, meta) = superframe(9_900, 1448, PortId(1));
    let hog = pool.compose(&[0; 8 * ROOM], &plain).unwrap();
    let packet = pool.compose(&frame, &meta).unwrap();
    let Err(Refused::Lost(packet, Reason::NoFrames)) = port.send(&mut pool, packet) else {
        panic!("not for want of frames")
    };
    pool.release(packet);
    pool.release(hog);
    assert_eq!(pool.census().free, 16);
}

#[test]
fn a_partial_checksum_is_completed_on_the_way_out() {
    let mut pool = Pool::heap(16);
    let mut port = MemPort::new(PortId(2), 8);
    let frame = tcp4(301);
    let verdict = classify(&frame[..]).unwrap();
    assert!(verdict.looks_partial());
    let mut meta = Meta::new(&verdict, 1, frame.len() as u32, 1);
    meta.flags |= meta_flags::CSUM_PARTIAL;
    let packet = pool.compose(&frame, &meta).unwrap();
    let sent = send_all(&mut port, &mut pool, packet);
    let layout = weir_core::offload::Layout::parse(&sent[0].bytes, 14, 34).unwrap();
    let right = weir_core::offload::checksum::verify([&sent[0].bytes[..]], &layout);
    assert!(right);
    assert_eq!(port.stats().checksums_completed, 1);
}

#[test]
fn a_port_that_is_down_refuses_and_comes_back() {
    let mut pool = Pool::heap(16);
    let mut port = MemPort::new(PortId(2), 8);
    port.down = true;
    assert_eq!(port.kick(&mut pool), Kick::Down);
    let packet = pool.compose(&[0; 60], &Meta::default()).unwrap();
    let Err(Refused::Lost(packet, Reason::PortGone)) = port.send(&mut pool, packet) else {
        panic!("taken")
    };
    port.down = false;
    assert_eq!(send_all(&mut port, &mut pool, packet).len(), 1);
}
