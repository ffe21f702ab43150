//! The gate: attaches its programs, and writes what they and the native program know about ports and
//! addresses. Invariant: they never see half a change: every word is stored whole, and a port's identity is
//! written last when it comes, and cleared first when it goes. A port whose gate outlives a weir has one
//! throughout.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, bail};
use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues, XskMap};
use aya::programs::links::FdLink;
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode};
use nix::libc;
use weir_abi::gate::{VLAN_WORDS, Vlans, out, pair_key, pair_of_key};
use weir_abi::{GatePort, MAX_PORTS, NEAR_SLOTS_LEN, gate_flags, maps, table};
use weir_core::Mode;
use weir_port::Cells;
use weir_port::cells::{DOOR_WORDS, ROOM_WORDS, STRIDE};

use super::{
    AttachError, Attached, MapsError, Steering, missing, program, read_error, removed, set_zero,
    take, write_error,
};
use crate::host::pins::ExistingGate;

/// The gate's maps.
pub struct GateMaps {
    slots: HashMap<MapData, u32, u32>,
    near_slots: Cells,
    ports: Cells,
    vlans: Cells,
    /// The words of the address table.
    pub addresses: Cells,
    /// When each address was last seen; a word holds two ways of a bucket: see [`table::Seen`].
    pub last_seen: Cells,
    /// Places taken in the workers' rings, and given back.
    pub taken: Cells,
    pub given_back: Cells,
    workers: XskMap<MapData>,
    expressed: PerCpuArray<MapData, [u64; 2]>,
    express_pairs: PerCpuHashMap<MapData, u32, [u64; 2]>,
    charged: PerCpuArray<MapData, [u64; 2]>,
    /// Fences that have come through the CPUs' backlogs, by round.
    pub fences: Cells,
    /// The doors of links with a rate and of sources with a maximum rate.
    pub doors: Cells,
    current: Cells,
    /// The changes under way, during which no count may be cleared.
    pub changes: PendingChanges,
}

debug_partly!(GateMaps);

/// An array map of the object, as words in memory.
pub(super) fn words(ebpf: &mut Ebpf, name: &str, words: usize) -> anyhow::Result<Cells> {
    let Some(Map::Array(data)) = ebpf.take_map(name) else { bail!(missing(name)) };
    let shared = Cells::map(data.fd().as_fd(), words);
    shared.with_context(|| format!("cannot share the XDP program's `{name}`"))
}

impl GateMaps {
    pub(super) fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        let ports = MAX_PORTS as usize;
        Ok(Self {
            slots: take(ebpf, maps::SLOTS)?,
            near_slots: words(ebpf, maps::NEAR_SLOTS, NEAR_SLOTS_LEN as usize)?,
            ports: words(ebpf, maps::GATE_PORTS, ports * GatePort::WORDS)?,
            vlans: words(ebpf, maps::VLANS, ports * VLAN_WORDS)?,
            addresses: words(ebpf, maps::ADDRESSES, table::WORDS)?,
            last_seen: words(ebpf, maps::LAST_SEEN, table::WORDS / 2)?,
            taken: words(ebpf, maps::TAKEN, ROOM_WORDS)?,
            given_back: words(ebpf, maps::GIVEN_BACK, ROOM_WORDS)?,
            workers: take(ebpf, maps::WORKERS)?,
            expressed: take(ebpf, maps::EXPRESSED)?,
            express_pairs: take(ebpf, maps::EXPRESS_PAIRS)?,
            charged: take(ebpf, maps::CHARGED)?,
            fences: words(ebpf, maps::FENCES, maps::FENCE_ROUNDS as usize)?,
            doors: words(ebpf, maps::DOORS, DOOR_WORDS)?,
            current: words(ebpf, maps::CURRENT, 1)?,
            changes: PendingChanges::default(),
        })
    }

    /// Announces a port to the programs: from here on its own decides about the interface's frames.
    pub fn set_port(&mut self, slot: u16, port: &GatePort, vlans: &Vlans) -> Result<(), MapsError> {
        let _changing = self.hold_newly_offloaded(slot, port, vlans);
        let at = usize::from(slot) * VLAN_WORDS;
        for (n, word) in vlans.iter().enumerate() {
            store(&self.vlans, at + n, *word);
        }
        let at = usize::from(slot) * GatePort::WORDS;
        // The identity comes last: everything that it makes valid is stored by then.
        for (n, word) in port.words().iter().enumerate().rev() {
            store(&self.ports, at + n, *word);
        }
        store(&self.near_slots, (port.ifindex() % NEAR_SLOTS_LEN) as usize, slot.into());
        self.slots.insert(port.ifindex(), u32::from(slot), 0).map_err(write_error(maps::SLOTS))
    }

    /// Holds frames that go by the gate instead of the bridge from here on, until the bridge has delivered
    /// the earlier ones.
    fn hold_newly_offloaded(
        &self,
        slot: u16,
        port: &GatePort,
        vlans: &Vlans,
    ) -> Option<PendingChange> {
        let word =
            |cells: &Cells, at: usize| cells.get(at).map_or(0, |cell| cell.load(Ordering::Relaxed));
        let at = usize::from(slot) * GatePort::WORDS;
        let before = GatePort::of_words(std::array::from_fn(|n| word(&self.ports, at + n)));
        let at = usize::from(slot) * VLAN_WORDS;
        let same_vlans =
            vlans.iter().enumerate().all(|(n, vlan)| word(&self.vlans, at + n) == *vlan);
        let same = (before.flags() ^ port.flags()) & !gate_flags::EXPRESS_FROM == 0
            && (before.ifindex(), before.pvid(), before.way)
                == (port.ifindex(), port.pvid(), port.way);
        (!same || !same_vlans).then(|| self.hold_all())
    }

    /// Holds the frames of all ports until everything given to the bridge so far has arrived. Call it
    /// before frames may go by the gate instead of the bridge, and drop the guard once they may.
    pub fn hold_all(&self) -> PendingChange {
        let changing = self.changes.begin();
        for slot in 0..MAX_PORTS as usize {
            if let Some(bridged) = self.taken.get(slot * STRIDE + out::BRIDGED) {
                bridged.fetch_add(1, Ordering::Release);
            }
        }
        changing
    }

    /// Forgets the port; from here on the bridge gets the interface's frames.
    pub fn forget_port(&mut self, slot: u16, ifindex: u32) -> Result<(), MapsError> {
        store(&self.ports, usize::from(slot) * GatePort::WORDS, 0);
        removed(self.slots.remove(&ifindex), maps::SLOTS)
    }

    /// Puts a worker's receive socket where the program behind the gate sends a queue's frames.
    pub fn set_worker(&mut self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), MapsError> {
        self.workers.set(queue, socket, 0).map_err(write_error(maps::WORKERS))
    }

    /// From here on the fallback of the ports of that queue applies.
    pub fn clear_worker(&mut self, queue: u32) -> Result<(), MapsError> {
        removed(self.workers.unset(queue), maps::WORKERS)
    }

    /// Declares that the tables match the bridge as of now; the gate believes that for a while.
    pub fn say_current(&self, now_ns: u64) {
        store(&self.current, 0, now_ns);
    }

    /// Frames and bytes that reached a port by the express lane.
    pub fn expressed(&self, slot: u16) -> Result<[u64; 2], MapsError> {
        of_slot(&self.expressed, maps::EXPRESSED, slot)
    }

    /// The same by the slots of ingress and egress, as far as the map had room for them.
    pub fn express_pairs(&self) -> Result<BTreeMap<(u16, u16), [u64; 2]>, MapsError> {
        let mut pairs = BTreeMap::new();
        for entry in self.express_pairs.iter() {
            let (key, values) = entry.map_err(read_error(maps::EXPRESS_PAIRS))?;
            pairs.insert(pair_of_key(key), over_cpus(&values));
        }
        Ok(pairs)
    }

    /// Frames and bytes that passed by the gate to a link with a rate and were charged to it.
    pub fn charged(&self, slot: u16) -> Result<[u64; 2], MapsError> {
        of_slot(&self.charged, maps::CHARGED, slot)
    }

    /// Makes a slot ready for another port.
    pub(super) fn reset_slot(&mut self, slot: u16) -> Result<(), MapsError> {
        set_zero(&mut self.expressed, maps::EXPRESSED, slot)?;
        set_zero(&mut self.charged, maps::CHARGED, slot)?;
        for (ingress, egress) in self.express_pairs()?.into_keys() {
            if ingress == slot || egress == slot {
                let pair = self.express_pairs.remove(&pair_key(ingress, egress));
                removed(pair, maps::EXPRESS_PAIRS)?;
            }
        }
        Ok(())
    }
}

fn of_slot(
    counts: &PerCpuArray<MapData, [u64; 2]>,
    name: &'static str,
    slot: u16,
) -> Result<[u64; 2], MapsError> {
    Ok(over_cpus(&counts.get(&slot.into(), 0).map_err(read_error(name))?))
}

fn over_cpus(values: &PerCpuValues<[u64; 2]>) -> [u64; 2] {
    values.iter().fold([0; 2], |[frames, bytes], cpu| [frames + cpu[0], bytes + cpu[1]])
}

fn store(cells: &Cells, at: usize, word: u64) {
    if let Some(cell) = cells.get(at) {
        cell.store(word, Ordering::Release);
    }
}

impl Steering {
    /// Attaches the gate to a port, or finds the one that an earlier weir left there.
    pub(super) fn attach_gate(
        &mut self,
        ifindex: u32,
        name: &str,
    ) -> Result<Attached, AttachError> {
        let Some(pins) = self.pins.clone() else { return self.attach_new(ifindex, name) };
        match pins.find(ifindex, name) {
            ExistingGate::Served => Err(AttachError::Served { name: name.to_owned() }),
            ExistingGate::Left { link, pin, program } => {
                self.left.push(program);
                let mode = Mode::Gate;
                let attached = Attached { link, ifindex, mode, pin: Some(pin), is_left: true };
                if self.may_adopt { self.adopt(attached, name) } else { Ok(attached) }
            }
            ExistingGate::Nothing => self.attach_new(ifindex, name),
        }
    }

    /// Attaches the gate, and keeps it if it can be kept.
    fn attach_new(&mut self, ifindex: u32, name: &str) -> Result<Attached, AttachError> {
        let link = self.attach_tcx(maps::GATE, name, TcAttachType::Ingress)?;
        let (link, pin) = match self.pins.clone() {
            None => (link, None),
            Some(pins) => match pins.keep(link, ifindex) {
                Ok((link, pin)) => (link, Some(pin)),
                Err(error) => {
                    tracing::warn!(
                        port = name,
                        "its gate ends with weir: it cannot be kept: {error}"
                    );
                    (self.attach_tcx(maps::GATE, name, TcAttachType::Ingress)?, None)
                }
            },
        };
        Ok(Attached { link, ifindex, mode: Mode::Gate, pin, is_left: false })
    }

    /// Replaces the program that an earlier weir left with this weir's, whose maps describe the port. That is
    /// one atomic step; until then the old program goes on with its own maps.
    pub fn adopt(&mut self, left: Attached, name: &str) -> Result<Attached, AttachError> {
        let Attached { link, ifindex, mode, pin, .. } = left;
        match self.replace(link) {
            Ok(link) => {
                tracing::info!(port = name, "adopted the gate that an earlier weir left");
                Ok(Attached { link, ifindex, mode, pin, is_left: false })
            }
            Err(error) => {
                tracing::warn!(port = name, "a gate that was left cannot be adopted: {error}");
                // Dropping the pin removes the old link.
                drop(pin);
                self.attach_new(ifindex, name)
            }
        }
    }

    fn replace(&mut self, link: FdLink) -> anyhow::Result<FdLink> {
        let gate: &mut SchedClassifier = program(&mut self.ebpf, maps::GATE)?;
        let id = gate.attach_to_link(SchedClassifierLink::try_from(link)?)?;
        Ok(gate.take_link(id)?.try_into()?)
    }

    /// Attaches the program behind the gate, in the network namespace of the pair's inner end.
    pub fn attach_behind(&mut self, ifindex: u32, name: &str) -> Result<[FdLink; 2], AttachError> {
        let failed = |error: ProgramError| AttachError::Program {
            name: name.to_owned(),
            error: error.into(),
        };
        let catch_all = self.attach_tcx(maps::CATCH_ALL, name, TcAttachType::Ingress)?;
        let xdp: &mut Xdp = program(&mut self.ebpf, maps::BEHIND).map_err(failed)?;
        let id = xdp.attach_to_if_index(ifindex, XdpMode::Skb).map_err(failed)?;
        let link = xdp.take_link(id).map_err(failed)?;
        let behind =
            FdLink::try_from(link).map_err(|_| AttachError::NoLink { name: name.to_owned() })?;
        Ok([behind, catch_all])
    }

    /// Attaches the program that counts the fences sent to the pair's outer end.
    pub fn attach_fence(&mut self, name: &str) -> Result<FdLink, AttachError> {
        self.attach_tcx(maps::FENCE, name, TcAttachType::Ingress)
    }

    /// Attaches the program that charges a link for the frames that pass by the gate.
    pub fn attach_charge(&mut self, name: &str) -> Result<FdLink, AttachError> {
        self.attach_tcx(maps::CHARGE, name, TcAttachType::Egress)
    }

    /// The ids of weir's own programs at tcx hooks; every other id there belongs to a foreign program.
    pub fn gate_program_ids(&self) -> BTreeSet<u32> {
        let programs = [maps::GATE, maps::CATCH_ALL, maps::FENCE, maps::CHARGE];
        let programs = programs.iter().filter_map(|name| {
            let program = self.ebpf.program(name)?;
            Some(program.info().ok()?.id())
        });
        programs.chain(self.left.iter().copied()).collect()
    }

    /// Attaches a program ahead of all others at the hook.
    fn attach_tcx(
        &mut self,
        hooked: &str,
        name: &str,
        at: TcAttachType,
    ) -> Result<FdLink, AttachError> {
        let failed = |error: ProgramError| AttachError::Program {
            name: name.to_owned(),
            error: error.into(),
        };
        let tcx: &mut SchedClassifier = program(&mut self.ebpf, hooked).map_err(failed)?;
        let first = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = tcx.attach_with_options(name, at, first).map_err(|error| refused(error, name))?;
        let link = tcx.take_link(id).map_err(failed)?;
        FdLink::try_from(link).map_err(|_| AttachError::NoTcx { name: name.to_owned() })
    }
}

/// The number of changes under way after which the gate may forward frames itself that the bridge forwarded
/// before, uncounted.
///
/// Invariant: while one is under way, no frame counts as cleared. Otherwise a count raised for the change
/// could be cleared before it is stored, and a frame left to the bridge in between would be overtaken.
#[derive(Clone, Debug, Default)]
pub struct PendingChanges(Arc<AtomicUsize>);

impl PendingChanges {
    /// Call this before raising any count; store the change before dropping the returned guard.
    pub(crate) fn begin(&self) -> PendingChange {
        self.0.fetch_add(1, Ordering::AcqRel);
        PendingChange(Arc::clone(&self.0))
    }

    /// Whether every change is stored whose raised counts the caller has already read.
    pub fn are_stored(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// A change that is under way.
#[derive(Debug)]
#[must_use = "the change is over when this is dropped"]
pub struct PendingChange(Arc<AtomicUsize>);

impl Drop for PendingChange {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn refused(error: ProgramError, name: &str) -> AttachError {
    let name = name.to_owned();
    let errno = match &error {
        ProgramError::SyscallError(call) => call.io_error.raw_os_error(),
        _ => None,
    };
    match errno {
        Some(libc::EINVAL) => AttachError::NoTcx { name },
        Some(libc::ENODEV) => AttachError::Gone { name },
        _ => AttachError::Program { name, error: error.into() },
    }
}

#[cfg(test)]
mod tests;
