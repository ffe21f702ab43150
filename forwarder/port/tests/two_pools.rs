//! Two workers over the same frames: whatever happens to packets that are handed over and returned, each
//! frame is in one place, and is returned to its home in the end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::mpsc::sync_channel;

use proptest::prelude::*;
use weir_abi::{ABI_VERSION, Meta};
use weir_core::PortId;
use weir_port::pool::ROOM;
use weir_port::{Census, Faults, MemPort, Packet, Pool, Port, Refused, TxFeatures};

const FRAMES: u32 = 256;
/// Places in the ring by which frames are returned to their home.
const RING: usize = 8;

#[derive(Clone, Debug)]
enum Op {
    Push {
        len: usize,
    },
    Refill,
    Receive {
        max: usize,
    },
    /// Hands packets over to the other worker.
    HandOver {
        count: usize,
    },
    Send {
        count: usize,
    },
    Release,
    Kick,
    Complete,
    /// Returns frames to their home, as far as the ring has room.
    GoHome,
    /// Binds the port again.
    Reclaim,
}

fn op() -> impl Strategy<Value = (usize, Op)> {
    let op = prop_oneof![
        4 => (60_usize..1500).prop_map(|len| Op::Push { len }),
        1 => (ROOM + 1..4 * ROOM).prop_map(|len| Op::Push { len }),
        2 => Just(Op::Refill),
        3 => (1_usize..20).prop_map(|max| Op::Receive { max }),
        4 => (1_usize..20).prop_map(|count| Op::HandOver { count }),
        3 => (1_usize..20).prop_map(|count| Op::Send { count }),
        1 => Just(Op::Release),
        2 => Just(Op::Kick),
        2 => Just(Op::Complete),
        2 => Just(Op::GoHome),
        1 => Just(Op::Reclaim),
    ];
    (0_usize..2, op)
}

struct Side {
    pool: Pool,
    port: MemPort,
    held: Vec<Packet>,
}

impl Side {
    fn new(pool: Pool, faults: &Faults) -> Self {
        let port = Self::port(&pool, faults);
        Self { pool, port, held: Vec::with_capacity(128) }
    }

    fn port(pool: &Pool, faults: &Faults) -> MemPort {
        let slot = PortId(1 + pool.home() as u16);
        let faults = Faults { seed: faults.seed ^ u64::from(slot.0), ..faults.clone() };
        let mut port = MemPort::new(slot, 32);
        port.set_faults(faults);
        port.retune(20_000, TxFeatures::default());
        port
    }

    fn push(&mut self, len: usize) {
        let meta =
            Meta { len: len as u32, abi: ABI_VERSION, port: self.port.slot.0, ..Meta::default() };
        self.port.push_rx_meta(&mut self.pool, &vec![len as u8; len], &meta);
    }

    fn send(&mut self, count: usize) {
        for _ in 0..count.min(self.held.len()) {
            let packet = self.held.remove(0);
            let len = packet.len() as usize;
            // The bytes received on one side are read on the other.
            assert!(self.pool.chunks(&packet).flatten().all(|&byte| byte == len as u8));
            match self.port.send(&mut self.pool, packet) {
                Ok(()) => {}
                Err(Refused::Full(packet)) => {
                    self.held.insert(0, packet);
                    return;
                }
                Err(Refused::Lost(packet, _)) => self.pool.release(packet),
            }
        }
    }

    fn step(&mut self) {
        self.port.receive(&mut self.pool, &mut self.held, 64);
        self.send(64);
        self.port.kick(&mut self.pool);
        self.port.complete(&mut self.pool);
    }
}

fn go_home(from: &mut Side, to: &mut Side) {
    let mut ring = Vec::new();
    let home = to.pool.home();
    from.pool.drain_away(home, |idx| {
        let room = ring.len() < RING;
        if room {
            ring.push(idx);
        }
        room
    });
    for idx in ring {
        assert!(to.pool.take_back_freed(idx));
    }
}

fn run(here: &mut Side, there: &mut Side, faults: &Faults, op: &Op) {
    match *op {
        Op::Push { len } => here.push(len),
        Op::Refill => here.port.refill(&mut here.pool),
        Op::Receive { max } => {
            here.port.receive(&mut here.pool, &mut here.held, max);
        }
        Op::HandOver { count } => {
            let room = there.held.capacity() - there.held.len();
            let count = count.min(here.held.len()).min(room);
            there.held.extend(here.held.drain(..count));
        }
        Op::Send { count } => here.send(count),
        Op::Release => {
            if let Some(packet) = here.held.pop() {
                here.pool.release(packet);
            }
        }
        Op::Kick => {
            here.port.kick(&mut here.pool);
        }
        Op::Complete => {
            here.port.complete(&mut here.pool);
        }
        Op::GoHome => go_home(here, there),
        Op::Reclaim => {
            here.port = Side::port(&here.pool, faults);
            here.pool.reclaim(here.port.slot);
        }
    }
}

/// Checks both sides, and returns the number of free frames.
fn check(sides: &[Side]) -> usize {
    for side in sides {
        let census = side.pool.census();
        assert!(census.adds_up(), "{census:?}");
        assert_eq!(census.total, FRAMES as usize / 2);
        assert!(side.pool.available() <= census.free);
    }
    let packets = sides.iter().flat_map(|side| &side.held);
    let held: usize = packets.map(|packet| usize::from(packet.frames())).sum();
    let of = |part: fn(&Census) -> usize| -> usize {
        sides.iter().map(|side| part(&side.pool.census())).sum()
    };
    assert_eq!(of(|census| census.held), held);
    let away: usize = sides.iter().map(|side| side.pool.away(0) + side.pool.away(1)).sum();
    let available: usize = sides.iter().map(|side| side.pool.available()).sum();
    let free = of(|census| census.free);
    assert_eq!(free, available + away);
    free
}

proptest! {
    #[test]
    fn every_frame_is_in_one_place_and_comes_home(
        ops in prop::collection::vec(op(), 1..200),
        seed: u64,
        thousandths in prop_oneof![Just(0_u16), Just(30), Just(300)],
    ) {
        let faults = Faults::all(seed, thousandths);
        let pools = Pool::heap(FRAMES).divide(2);
        let mut sides: Vec<Side> = pools.into_iter().map(|pool| Side::new(pool, &faults)).collect();
        for (at, op) in &ops {
            let [first, second] = &mut sides[..] else { unreachable!() };
            let (here, there) = if *at == 0 { (first, second) } else { (second, first) };
            run(here, there, &faults, op);
            check(&sides);
        }
        // Brings everything to rest.
        for side in &mut sides {
            side.port.set_faults(Faults::default());
            while side.port.rx_waiting() > 0 || !side.held.is_empty() {
                side.step();
            }
            while side.port.tx_outstanding() > 0 {
                side.step();
            }
            side.pool.reclaim(side.port.slot);
        }
        check(&sides);
        let [first, second] = &mut sides[..] else { unreachable!() };
        while first.pool.away(1) + second.pool.away(0) > 0 {
            go_home(first, second);
            go_home(second, first);
        }
        prop_assert_eq!(check(&sides), FRAMES as usize);
        prop_assert!(sides.iter().all(|side| side.pool.available() == FRAMES as usize / 2));
    }
}

/// One thread makes packets, the other reads and frees them, and the frames are returned.
#[test]
fn frames_go_round_between_two_threads() {
    const PACKETS: u32 = 5_000;
    let mut pools = Pool::heap(64).divide(2);
    let (mut second, mut first) = (pools.pop().unwrap(), pools.pop().unwrap());
    let (there, packets) = sync_channel::<Packet>(16);
    let (back, frames) = sync_channel::<u32>(64);
    let reader = std::thread::spawn(move || {
        let mut sum = 0_u64;
        for packet in packets {
            assert_eq!(second.head(&packet).len(), packet.len() as usize);
            sum += second.chunks(&packet).flatten().map(|&byte| u64::from(byte)).sum::<u64>();
            second.release(packet);
            second.drain_away(0, |idx| back.send(idx).is_ok());
        }
        sum
    });
    let mut expected = 0;
    for nth in 0..PACKETS {
        let bytes = vec![nth as u8; 100];
        expected += 100 * u64::from(nth as u8);
        let packet = loop {
            match first.compose(&bytes, &Meta::default()) {
                Some(packet) => break packet,
                None => assert!(first.take_back_freed(frames.recv().unwrap())),
            }
        };
        there.send(packet).unwrap();
    }
    drop(there);
    assert_eq!(reader.join().unwrap(), expected);
    while let Ok(idx) = frames.recv() {
        assert!(first.take_back_freed(idx));
    }
    assert_eq!(first.available(), 32);
}
