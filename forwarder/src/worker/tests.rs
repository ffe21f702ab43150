//! The whole loop on kernel-free ports: what comes in is delivered, held or lost under a reason, with and
//! without faults, when ports are added and removed, and between workers.

mod alone;
mod commands;
mod contended;
mod isolation;
mod limit;
mod losses;
mod measured;
mod several;
mod stalled;
mod tended;
mod watching;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_abi::{Meta, classify};
use weir_core::sched::Caps;
use weir_core::{EngineConfig, FlowConfig, PortId, PortSettings, Role};
use weir_port::cells::{DOOR_WORDS, ROOM_WORDS};
use weir_port::{Cells, Faults, MemPort, Pool, SHARED_RING};

use super::*;

/// The workers' clock, set by the test's thread.
pub(super) mod clock {
    use std::cell::Cell;

    thread_local! {
        static NOW_NS: Cell<u64> = const { Cell::new(0) };
        /// The time by which the clock advances at every reading.
        static TICK_NS: Cell<u64> = const { Cell::new(0) };
        /// The number of readings after which the clock jumps, and by how much.
        static JUMP: Cell<Option<(usize, u64)>> = const { Cell::new(None) };
    }

    pub(in crate::worker) fn now_ns() -> u64 {
        NOW_NS.set(NOW_NS.get() + TICK_NS.get());
        match JUMP.take() {
            Some((0, by_ns)) => NOW_NS.set(NOW_NS.get() + by_ns),
            Some((looks, by_ns)) => JUMP.set(Some((looks - 1, by_ns))),
            None => {}
        }
        NOW_NS.get()
    }

    pub(in crate::worker) fn set(now_ns: u64) {
        NOW_NS.set(now_ns);
    }

    /// Makes the work between two readings of the clock take this long.
    pub(super) fn tick_by(by_ns: u64) {
        TICK_NS.set(by_ns);
    }

    pub(super) fn jump_after(looks: usize, by_ns: u64) {
        JUMP.set(Some((looks, by_ns)));
    }

    /// Whether the clock has not jumped yet; it no longer will.
    pub(super) fn jump_is_off() -> bool {
        JUMP.take().is_some()
    }
}

const TURN_NS: u64 = 10_000;
/// The time that the ports take to send in a turn.
const TX_NS: u64 = 500;
const FRAMES: u32 = 4096;

/// Workers that are stepped one after the other. Worker `s % workers` serves port `s`. The station whose
/// address ends with `s` is behind port `s`.
struct Bench {
    workers: Vec<Worker<MemPort>>,
    shed: Cells,
    /// The maps `TAKEN` and `GIVEN_BACK`.
    out: Cells,
    given_back: Cells,
    handles: Vec<WorkerHandle<MemPort>>,
    now_ns: u64,
    pushed: u64,
}

fn settings_of(slot: u16) -> PortSettings {
    let role = if slot == 0 { Role::Uplink } else { Role::Vif };
    PortSettings { queue_bytes: 64 * 1024, ..PortSettings::new(role) }
}

impl Bench {
    fn new(ports: u16, faults: Option<Faults>) -> Self {
        Self::with(1, ports, faults, settings_of)
    }

    fn with(
        workers: usize,
        ports: u16,
        faults: Option<Faults>,
        settings_of: impl Fn(u16) -> PortSettings,
    ) -> Self {
        let caps = Arc::new(Caps::default());
        let shed = Cells::heap(weir_abi::shed::WORDS);
        let (given_back, out) = (Cells::heap(ROOM_WORDS), Cells::heap(ROOM_WORDS));
        clock::set(0);
        let doors = Cells::heap(DOOR_WORDS);
        let pools = Pool::heap(FRAMES * workers as u32).divide(workers);
        let mut handles = Vec::new();
        let mut all: Vec<_> = peers(workers)
            .unwrap()
            .into_iter()
            .zip(pools)
            .map(|(peers, pool)| {
                let (handle, inbox) = WorkerHandle::mute(0);
                handles.push(handle);
                let settings = WorkerSettings {
                    core: 0,
                    idle: weir_core::Idle::Spin,
                    engine: EngineConfig::default(),
                    latency: true,
                    flows: FlowConfig { capacity: 64, idle_ns: 1_000_000_000, seed: 1 },
                    caps: Arc::clone(&caps),
                    shed: shed.clone(),
                    home: given_back.clone(),
                    out: out.clone(),
                    clock: clock::now_ns,
                    doors: doors.clone(),
                    peers,
                };
                Worker::new(settings, pool, inbox)
            })
            .collect();
        for slot in 0..ports {
            let home = usize::from(slot) % workers;
            for (index, worker) in all.iter_mut().enumerate() {
                let (id, settings) = (PortId(slot), settings_of(slot));
                if index != home {
                    worker.add_remote(id, settings, home, 0);
                    continue;
                }
                let mut port = MemPort::new(id, 64);
                if let Some(faults) = &faults {
                    let seed = faults.seed + u64::from(slot);
                    port.set_faults(Faults { seed, ..faults.clone() });
                }
                worker.add(id, settings, port, 0);
            }
        }
        let (now_ns, pushed) = (0, 0);
        Self { workers: all, shed, out, given_back, handles, now_ns, pushed }
    }

    /// One worker with a ring that its two ports share; the ports have no receive rings.
    fn with_shared_ring() -> Self {
        let mut bench = Self::new(0, None);
        let worker = &mut bench.workers[0];
        worker.share_ring(MemPort::new(SHARED_RING, 64), None);
        for slot in [0, 1] {
            let (id, settings) = (PortId(slot), settings_of(slot));
            worker.add(id, settings, MemPort::send_only(id, 64), 0);
        }
        bench
    }

    /// Pushes a frame from port 1 to port 0 into the shared ring. `at_bridge`: earlier frames of its source
    /// may still be on their way by the bridge.
    fn push_shared(&mut self, at_bridge: bool) {
        let frame = frame(0, 1, 1);
        let mut meta = self.meta(1, &frame);
        meta.flags |= if at_bridge { weir_abi::meta_flags::AT_BRIDGE } else { 0 };
        let Worker { gathering, pool, .. } = &mut self.workers[0];
        gathering.as_mut().unwrap().port.push_rx_meta(pool, &frame, &meta);
        self.pushed += 1;
    }

    fn home(&mut self, slot: u16) -> &mut Worker<MemPort> {
        let home = usize::from(slot) % self.workers.len();
        &mut self.workers[home]
    }

    /// The program's metadata for a frame that arrives now.
    fn meta(&self, at: u16, frame: &[u8]) -> Meta {
        let verdict = classify(frame).unwrap();
        let meta = Meta::new(&verdict, self.now_ns, frame.len() as u32, at);
        Meta { egress: frame[5].into(), ..meta }
    }

    fn push(&mut self, at: u16, frame: &[u8]) {
        self.push_meta(at, frame, &self.meta(at, frame));
    }

    fn push_meta(&mut self, at: u16, frame: &[u8], meta: &Meta) {
        let Worker { lanes, pool, .. } = self.home(at);
        lanes.get_mut(PortId(at)).unwrap().port.push_rx_meta(pool, frame, meta);
        self.pushed += 1;
    }

    fn turn(&mut self) {
        self.now_ns += TURN_NS;
        clock::set(self.now_ns);
        for worker in &mut self.workers {
            worker.turn(self.now_ns);
            worker.settle(self.now_ns + TX_NS);
        }
        self.assert_census();
    }

    fn turns(&mut self, count: usize) {
        for _ in 0..count {
            self.turn();
        }
    }

    fn assert_census(&self) {
        let total: usize = self.workers.iter().map(|w| w.pool.census().total).sum();
        let found = |w: &Worker<MemPort>| {
            let census = w.pool.census();
            census.free + census.fill + census.rx + census.held + census.tx
        };
        assert_eq!(self.workers.iter().map(found).sum::<usize>(), total);
    }

    /// Checks that everything pushed is accounted for.
    fn assert_balanced(&mut self) {
        let now_ns = self.now_ns;
        let all: Vec<WorkerSnapshot> =
            self.workers.iter_mut().map(|worker| worker.snapshot(now_ns)).collect();
        let sum = |count: &dyn Fn(&PortSnapshot) -> u64| {
            all.iter().flat_map(|snapshot| &snapshot.ports).map(count).sum::<u64>()
        };
        let came = self.pushed + sum(&|p| p.copies + p.stats.segments_made);
        let lost = sum(&|p| p.losses.total() + p.stats.losses.total())
            + all.iter().map(|w| w.orphan_losses.total()).sum::<u64>()
            + all
                .iter()
                .flat_map(|w| &w.foreign_losses)
                .map(|(_, losses)| losses.total())
                .sum::<u64>();
        let went = sum(&|p| p.stats.tx_packets + p.tx_outstanding + p.rx_waiting)
            + all.iter().map(|w| w.held_packets + w.handed_over).sum::<u64>()
            - all.iter().map(|w| w.taken_over).sum::<u64>();
        assert_eq!(came, went + lost, "{all:#?}");
    }

    /// The frames that a port has sent since the last call.
    fn sent(&mut self, from: u16) -> Vec<Vec<u8>> {
        let lane = self.home(from).lanes.get_mut(PortId(from)).unwrap();
        std::iter::from_fn(|| lane.port.take_tx()).map(|sent| sent.bytes).collect()
    }

    /// Whether the program was told to drop frames of one port for another.
    fn is_shed(&self, ingress: u16, egress: u16) -> bool {
        let (word, bit) = weir_abi::shed::cell(ingress, egress).unwrap();
        self.shed.get(word).unwrap().load(Ordering::Relaxed) & bit != 0
    }
}

fn frame(dst: u8, src: u8, tag: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 0x88, 0xb5];
    frame.resize(60, tag);
    frame
}
