//! The gate and the program behind it, loaded as weir loads them, and the maps of all programs.
//! Invariant: each run of the gate is checked for exactly one outcome, its matching return value, and
//! no effect on a frame that it does not hand over itself; the thread stays on one CPU.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result, bail, ensure};
use aya::maps::{HashMap, Map, MapData, PerCpuArray, PerCpuValues, XskMap};
use aya::programs::{ProgramFd, SchedClassifier, Xdp};
use aya::util::nr_cpus;
use aya::{Ebpf, EbpfLoader};
use system_tests::cpu;

use weir_abi::gate::{VLAN_WORDS, home, out};
use weir_abi::table::{self, Place, WAYS};
use weir_abi::{
    Counter, GatePort, IpLockKey, MAX_PORTS, MAX_WORKERS, MacLockKey, Meta, PortCounters,
    RX_PLACES, Tables, Tag, maps, shed,
};
use weir_port::Cells;
use weir_port::probe::{KernelFacts, TestCtx, TestRun, slot_socket, test_run, test_run_skb};
use weir_rig::programs::TagThen;

use crate::cell::{CELL_WORDS, CellWords};
use crate::frames::{LO, XDP_REDIRECT, monotonic_ns, object};
use crate::world::{SEED, World};
use crate::worlds::{IN, QUEUE};

const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;
const TCX_REDIRECT: i32 = 7;
/// The word, beside the places taken, with the number given back as of the gate's last look.
const SEEN: usize = 2;
/// The initial value of the books of room: they only ever rise, and wrap around.
const BOOKS: u64 = u64::MAX - 1;
const HOUR_NS: u64 = 3_600_000_000_000;

pub(crate) struct Rig {
    pub(crate) ebpf: Ebpf,
    gate: ProgramFd,
    behind: OwnedFd,
    pub(crate) native: OwnedFd,
    slots: HashMap<MapData, u32, u32>,
    macs: HashMap<MapData, [u8; MacLockKey::LEN], u8>,
    ips: HashMap<MapData, [u8; IpLockKey::LEN], u8>,
    ports: Cells,
    vlans: Cells,
    addresses: Cells,
    seen: Cells,
    taken: Cells,
    given_back: Cells,
    shed: Cells,
    current: Cells,
    workers: XskMap<MapData>,
    counters: PerCpuArray<MapData, [u64; PortCounters::WORDS]>,
    cells: PerCpuArray<MapData, [u64; CELL_WORDS]>,
    strays: PerCpuArray<MapData, u64>,
    socket: OwnedFd,
    /// By tag: an entry into the gate with that tag beside the frame.
    tagged: Vec<(Tag, TagThen)>,
    /// The world to remove again.
    published: World,
}

fn words(map: Map, words: usize) -> Result<Cells> {
    let Map::Array(data) = map else { bail!("not an array") };
    Ok(Cells::map(data.fd().as_fd(), words)?)
}

fn get(cells: &Cells, at: usize) -> Result<u64> {
    Ok(cells.get(at).context("beyond the map")?.load(Relaxed))
}

fn set(cells: &Cells, at: usize, word: u64) -> Result<()> {
    cells.get(at).context("beyond the map")?.store(word, Relaxed);
    Ok(())
}

/// The word of a place in the table; the test's few addresses get either way.
fn word_of(place: Place) -> usize {
    let way = place.bucket as usize % WAYS;
    place.bucket as usize * WAYS + way
}

impl Rig {
    /// As `forwarder/src/host/attach.rs` does it.
    pub(crate) fn load() -> Result<Self> {
        let facts = KernelFacts::read().context("this kernel has no BTF: no gate")?;
        let object = facts.link(&object()?);
        let (skb, seed) = (facts.skb.to_words(), SEED.to_words());
        let mut ebpf = EbpfLoader::new()
            .override_global(maps::SKB_OFFSETS, &skb, true)
            .override_global(maps::PAIR, &LO, true)
            .override_global(maps::TABLE_SEED, &seed, true)
            .load(&object)?;
        let gate: &mut SchedClassifier =
            ebpf.program_mut(maps::GATE).context("gate")?.try_into()?;
        gate.load()?;
        let gate = gate.fd()?.try_clone()?;
        let mut xdp = |name: &'static str| {
            let program: &mut Xdp = ebpf.program_mut(name).context(name)?.try_into()?;
            program.load()?;
            anyhow::Ok(program.fd()?.as_fd().try_clone_to_owned()?)
        };
        let (behind, native) = (xdp(maps::BEHIND)?, xdp(maps::PROGRAM)?);
        let mut take = |name: &str| ebpf.take_map(name).with_context(|| format!("no map {name}"));
        let ports = MAX_PORTS as usize;
        let room = 8 * (MAX_PORTS + MAX_WORKERS) as usize;
        let rig = Self {
            gate,
            behind,
            native,
            slots: take(maps::SLOTS)?.try_into()?,
            macs: take(maps::MAC_LOCK)?.try_into()?,
            ips: take(maps::IP_LOCK)?.try_into()?,
            ports: words(take(maps::GATE_PORTS)?, ports * GatePort::WORDS)?,
            vlans: words(take(maps::VLANS)?, ports * VLAN_WORDS)?,
            addresses: words(take(maps::ADDRESSES)?, table::WORDS)?,
            seen: words(take(maps::LAST_SEEN)?, table::WORDS / 2)?,
            taken: words(take(maps::TAKEN)?, room)?,
            given_back: words(take(maps::GIVEN_BACK)?, room)?,
            shed: words(take(maps::SHED)?, shed::WORDS)?,
            current: words(take(maps::CURRENT)?, 1)?,
            workers: take(maps::WORKERS)?.try_into()?,
            counters: take(maps::COUNTERS)?.try_into()?,
            cells: take(maps::CELLS)?.try_into()?,
            strays: take(maps::STRAYS)?.try_into()?,
            socket: slot_socket()?,
            tagged: Vec::new(),
            published: World::default(),
            ebpf,
        };
        cpu::pin(0);
        (0..MAX_WORKERS as u16).try_for_each(|queue| rig.set_beat(queue, u64::MAX >> 1))?;
        Ok(rig)
    }

    /// Sets the time of a queue's worker's last heartbeat.
    pub(crate) fn set_beat(&self, queue: u16, beat_ns: u64) -> Result<()> {
        set(&self.taken, 8 * (MAX_PORTS as usize + usize::from(queue)) + out::BEAT, beat_ns)
    }

    /// Sets the time at which user space last vouched for the tables.
    pub(crate) fn set_current(&self, current_ns: u64) -> Result<()> {
        set(&self.current, 0, current_ns)
    }

    /// Puts a world into the maps, replacing the one before.
    pub(crate) fn publish(&mut self, world: &World) -> Result<()> {
        let before = std::mem::take(&mut self.published);
        self.write(&before, false)?;
        self.write(world, true)?;
        self.slots.insert(LO, u32::from(IN), 0)?;
        self.set_current(if world.outdated { 0 } else { u64::MAX >> 1 })?;
        self.published = World {
            ports: world.ports.clone(),
            addresses: world.addresses.clone(),
            macs: world.macs.clone(),
            ips: world.ips.clone(),
            shed: world.shed.clone(),
            ways: world.ways.clone(),
            unsettled: world.unsettled,
            at_bridge: world.at_bridge,
            outdated: world.outdated,
            workers: world.workers.clone(),
            still: world.still.clone(),
            storm: world.storm,
            full: world.full,
            ..World::default()
        };
        Ok(())
    }

    fn write(&mut self, world: &World, there: bool) -> Result<()> {
        let when = |word: u64| if there { word } else { 0 };
        for slot in world.ports.keys() {
            let port = world.gate_port(*slot).unwrap_or_default();
            let at = usize::from(*slot) * GatePort::WORDS;
            for (n, word) in port.words().into_iter().enumerate() {
                set(&self.ports, at + n, when(word))?;
            }
            for n in 0..VLAN_WORDS {
                let word = when(world.vlans(*slot, n));
                set(&self.vlans, usize::from(*slot) * VLAN_WORDS + n, word)?;
            }
        }
        self.set_ifindex(IN, if there { LO } else { 0 });
        for (place, entry) in world.entries() {
            set(&self.addresses, word_of(place), when(entry.word()))?;
        }
        for (slot, mac) in &world.macs {
            let key = MacLockKey { slot: *slot, mac: *mac }.to_bytes();
            if there { self.macs.insert(key, 1, 0)? } else { self.macs.remove(&key)? }
        }
        for (slot, address) in &world.ips {
            let key = IpLockKey::new(*slot, *address).to_bytes();
            if there { self.ips.insert(key, 1, 0)? } else { self.ips.remove(&key)? }
        }
        for (ingress, egress) in &world.shed {
            let (at, mask) = shed::cell(*ingress, *egress).context("no such pair")?;
            let word = get(&self.shed, at)?;
            set(&self.shed, at, if there { word | mask } else { word & !mask })?;
        }
        for queue in &world.still {
            self.set_beat(*queue, if there { 0 } else { u64::MAX >> 1 })?;
        }
        for queue in &world.workers {
            if there {
                self.workers.set(u32::from(*queue), self.socket.as_raw_fd(), 0)?;
            } else {
                self.workers.unset(u32::from(*queue))?;
            }
        }
        Ok(())
    }

    /// Restores the world's limits and room, and clears the marks of seen addresses.
    pub(crate) fn refill(&self) -> Result<()> {
        for place in self.published.entries().keys() {
            set(&self.seen, word_of(*place) / 2, 0)?;
        }
        let queue = self.published.ports.get(&IN).map_or(0, |port| port.queue);
        let full = if self.published.full { RX_PLACES } else { 0 };
        for (index, more) in [(u32::from(IN), 0), (MAX_PORTS + u32::from(queue), full)] {
            if index < MAX_PORTS + MAX_WORKERS {
                set(&self.taken, 8 * index as usize, BOOKS.wrapping_add(more))?;
                set(&self.given_back, 8 * index as usize, BOOKS)?;
                set(&self.taken, 8 * index as usize + SEEN, BOOKS)?;
            }
        }
        // More of them than the gate waits for.
        let steered = if self.published.unsettled { 100 } else { 0 };
        set(&self.given_back, 8 * usize::from(IN) + home::DONE, 0)?;
        set(&self.taken, 8 * usize::from(IN) + out::STEERED, steered)?;
        set(&self.taken, 8 * usize::from(IN) + out::CLEARED, 0)?;
        let bridged = self.published.at_bridge.into();
        set(&self.taken, 8 * usize::from(IN) + out::BRIDGED, bridged)?;
        let due = if self.published.storm { monotonic_ns()? + HOUR_NS } else { 0 };
        set(&self.taken, 8 * usize::from(IN) + 1, due)
    }

    /// Places that are taken, of a slot or a queue; negative: more were given back.
    pub(crate) fn room(&self, index: u32) -> Result<i64> {
        let at = 8 * index as usize;
        Ok(get(&self.taken, at)?.wrapping_sub(get(&self.given_back, at)?).cast_signed())
    }

    pub(crate) fn set_room(&self, index: u32, taken: i64) -> Result<()> {
        let at = 8 * index as usize;
        set(&self.given_back, at, BOOKS)?;
        // The gate's last look was before the ring went round, so it must look again.
        set(&self.taken, at + SEEN, BOOKS - RX_PLACES)?;
        set(&self.taken, at, BOOKS.wrapping_add_signed(taken))
    }

    pub(crate) fn set_ifindex(&self, slot: u16, ifindex: u32) {
        if let Some(cell) = self.ports.get(usize::from(slot) * GatePort::WORDS) {
            let flags = cell.load(Relaxed) & !u64::from(u32::MAX);
            cell.store(flags | u64::from(ifindex), Relaxed);
        }
    }

    /// Puts the port at that interface from now on.
    pub(crate) fn stand_at(&mut self, ifindex: u32) -> Result<()> {
        self.set_ifindex(IN, ifindex);
        Ok(self.slots.insert(ifindex, u32::from(IN), 0)?)
    }

    pub(crate) fn forget(&mut self) -> Result<()> {
        Ok(self.slots.remove(&LO)?)
    }

    /// The words of the addresses that the gate has marked.
    pub(crate) fn marked(&self) -> Result<BTreeSet<usize>> {
        let mut marked = BTreeSet::new();
        for place in self.published.entries().keys() {
            let at = word_of(*place);
            let both = get(&self.seen, at / 2)?;
            if both >> (32 * (at % 2)) & u64::from(u32::MAX) != 0 {
                marked.insert(at);
            }
        }
        Ok(marked)
    }

    /// The words of places, in the form of `marked`.
    pub(crate) fn words_of(places: &[Place]) -> BTreeSet<usize> {
        places.iter().map(|place| word_of(*place)).collect()
    }

    pub(crate) fn counters(&self) -> Result<PortCounters> {
        let mut sum = PortCounters::default();
        for cpu in self.counters.get(&IN.into(), 0)?.iter() {
            sum.merge(&PortCounters::from_words(*cpu));
        }
        Ok(sum)
    }

    pub(crate) fn strays(&self) -> Result<u64> {
        Ok(self.strays.get(&0, 0)?.iter().sum())
    }

    pub(crate) fn cell(&self) -> Result<CellWords> {
        Ok(CellWords(*self.cells.get(&0, 0)?.first().context("no CPU")?))
    }

    pub(crate) fn fill(&mut self, cell: CellWords) -> Result<()> {
        let cpus = nr_cpus().map_err(|(_, error)| error)?;
        let mut values = vec![[0; CELL_WORDS]; cpus];
        *values.first_mut().context("no CPU")? = cell.0;
        Ok(self.cells.set(0, PerCpuValues::try_from(values)?, 0)?)
    }

    fn enter(&mut self, beside: Option<Tag>) -> Result<BorrowedFd<'_>> {
        let Some(tag) = beside else { return Ok(self.gate.as_fd()) };
        let known = self.tagged.iter().position(|(known, _)| *known == tag);
        let at = match known {
            Some(at) => at,
            None => {
                let way = TagThen::new(tag.proto, tag.tci, &self.gate)?;
                self.tagged.push((tag, way));
                self.tagged.len() - 1
            }
        };
        Ok(self.tagged[at].1.as_fd())
    }

    /// Runs a frame through the gate; returns its one outcome, and the cell.
    pub(crate) fn gate(
        &mut self,
        frame: &[u8],
        beside: Option<Tag>,
        gso_size: u16,
    ) -> Result<(Counter, CellWords)> {
        self.refill()?;
        self.gate_again(frame, beside, gso_size)
    }

    /// The same with limits and room as they are.
    pub(crate) fn gate_again(
        &mut self,
        frame: &[u8],
        beside: Option<Tag>,
        gso_size: u16,
    ) -> Result<(Counter, CellWords)> {
        self.fill(CellWords::default())?;
        let before = self.counters()?;
        let way = self.enter(beside)?;
        let (answer, data) = test_run_skb(way, frame, LO, gso_size.into())?;
        let after = self.counters()?;
        let mut risen = Counter::all().filter(|c| after.frames(*c) != before.frames(*c));
        let outcome = risen.next().context("no outcome")?;
        // A frame that leaves with another tag is changed right here.
        ensure!(outcome == Counter::Express || data == frame, "the gate changed the frame");
        let mut expected = before;
        expected.frames[outcome as usize] += 1;
        expected.bytes[outcome as usize] += frame.len() as u64;
        ensure!(after == expected, "{after:?}, expected {expected:?}");
        let name = outcome.name();
        let expected = match outcome {
            Counter::Steered | Counter::Express => TCX_REDIRECT,
            _ if name.starts_with("passed") => TCX_NEXT,
            _ => TCX_DROP,
        };
        ensure!(answer == expected, "{name} with answer {answer}");
        Ok((outcome, self.cell()?))
    }

    /// Runs a frame that the gate must not look at.
    pub(crate) fn untouched(&self, frame: &[u8]) -> Result<()> {
        let before = self.counters()?;
        let (answer, data) = test_run_skb(self.gate.as_fd(), frame, LO, 0)?;
        ensure!(answer == TCX_NEXT && data == frame && self.counters()? == before);
        Ok(())
    }

    /// Runs a frame through the program behind the gate, with the present cell.
    pub(crate) fn behind(&self, frame: &[u8]) -> Result<TestRun> {
        Ok(test_run(self.behind.as_fd(), frame, Self::ctx())?)
    }

    pub(crate) fn ctx() -> TestCtx {
        TestCtx { ingress_ifindex: LO, rx_queue_index: QUEUE.into() }
    }

    pub(crate) fn behind_fd(&self) -> BorrowedFd<'_> {
        self.behind.as_fd()
    }

    /// The same for a frame that must reach its worker; returns what the worker gets.
    pub(crate) fn behind_steered(&self, frame: &[u8]) -> Result<(Meta, Vec<u8>)> {
        let strays = self.strays()?;
        let run = self.behind(frame)?;
        ensure!(run.action == XDP_REDIRECT, "action {}", run.action);
        ensure!(self.strays()? == strays && self.cell()?.meta().abi == 0, "the cell is taken");
        Ok((Meta::from_bytes(run.meta.as_slice().try_into()?), run.data))
    }
}
