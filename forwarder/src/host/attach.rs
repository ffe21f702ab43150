//! The eBPF programs: loads them once, attaches them to ports, writes their maps and reads their counters.
//!
//! Invariant: every attachment is a bpf_link. A gate's may be pinned for the next weir
//! ([`pins`](super::pins)); all others end with this process, however it ends.

mod gate;
mod refusal;
mod unsteered;

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues, XskMap};
use aya::programs::links::{FdLink, Link as _};
use aya::programs::{Program, ProgramError, SchedClassifier, Xdp, XdpMode};
use aya::util::nr_cpus;
use aya::{Ebpf, EbpfLoader};
use nix::libc;
use weir_abi::table::Seed;
use weir_abi::{Counter, IpLockKey, MAX_PORTS, MAX_QUEUES, MacLockKey, PortCounters, maps, shed};

use weir_core::Mode;
use weir_port::probe::KernelFacts;
use weir_port::{Cells, clock_monotonic_ns};

pub use self::gate::{GateMaps, PendingChange, PendingChanges};
pub use self::refusal::{AttachError, Occupant, is_named, occupant};
use self::refusal::{refusal, take_off};
pub use self::unsteered::UnsteeredReader;
use super::pins::{Pin, Pins};

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../xdp-ebpf/prebuilt/weir-steer.o");

#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    #[error("slot {slot} or queue {queue} is out of range (below {MAX_PORTS} and {MAX_QUEUES})")]
    OutOfRange { slot: u16, queue: u32 },
    #[error("cannot write the XDP program's `{name}`: {error:#}")]
    Write { name: &'static str, error: anyhow::Error },
    #[error("cannot read the XDP program's `{name}`: {error:#}")]
    Read { name: &'static str, error: anyhow::Error },
    #[error("cannot prepare counters: {0}")]
    Counters(io::Error),
}

fn write_error(name: &'static str) -> impl Fn(MapError) -> MapsError {
    move |error| MapsError::Write { name, error: error.into() }
}

fn read_error(name: &'static str) -> impl Fn(MapError) -> MapsError {
    move |error| MapsError::Read { name, error: error.into() }
}

/// A port's attached program. Dropping it detaches the program.
#[derive(Debug)]
pub struct Attached {
    link: FdLink,
    pub ifindex: u32,
    pub mode: Mode,
    /// The pin that keeps the attachment beyond the life of this process, if there is one.
    pin: Option<Pin>,
    /// It is an earlier weir's gate, yet to be adopted.
    pub is_left: bool,
}

impl Attached {
    /// Leaves the gate attached when this process ends.
    pub fn leave(self) {
        if let Some(pin) = self.pin {
            pin.leave();
        }
    }

    /// Whether the gate outlives the process; `None` for an attachment that is not a gate.
    pub fn is_kept(&self) -> Option<bool> {
        (self.mode == Mode::Gate).then_some(self.pin.is_some())
    }
}

/// A counter map's value as aya can read it without `unsafe`.
type CounterWords = [u64; PortCounters::WORDS];

/// The programs' counters by port, which are also read without the forwarder's lock. The forwarder alone
/// writes them, for a free slot.
#[derive(Clone)]
pub struct ExpressCounters(Arc<Mutex<PerCpuArray<MapData, CounterWords>>>);

debug_partly!(ExpressCounters);

impl ExpressCounters {
    fn map(&self) -> MutexGuard<'_, PerCpuArray<MapData, CounterWords>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A port's counters, summed over the CPUs.
    pub fn of(&self, slot: u16) -> Result<PortCounters, MapsError> {
        let values = self.map().get(&u32::from(slot), 0).map_err(read_error(maps::COUNTERS))?;
        let mut sum = PortCounters::default();
        for words in values.iter() {
            sum.merge(&PortCounters::from_words(*words));
        }
        Ok(sum)
    }

    /// Frames and bytes that the port has sent by the express lane since its slot was cleared.
    pub fn by(&self, slot: u16) -> Result<[u64; 2], MapsError> {
        let counters = self.of(slot)?;
        Ok([counters.frames(Counter::Express), counters.bytes(Counter::Express)])
    }
}

/// The loaded program and its maps.
pub struct Steering {
    /// Holds the programs; the maps are taken out of it.
    ebpf: Ebpf,
    sockets: XskMap<MapData>,
    pub counters: ExpressCounters,
    mac_lock: HashMap<MapData, [u8; MacLockKey::LEN], u8>,
    ip_lock: HashMap<MapData, [u8; IpLockKey::LEN], u8>,
    /// The shed bits, [`shed::WORDS`] words; [`shed::cell`] maps a pair to its bit.
    pub shed: Cells,
    /// The outcomes that the programs report, by port, and how many reports had no room.
    watch_wanted: Array<MapData, u64>,
    watch_missed: PerCpuArray<MapData, u64>,
    /// The reader of the reports.
    pub unsteered: Arc<Mutex<UnsteeredReader>>,
    /// The maps that tell the programs about ports and addresses.
    pub gate: GateMaps,
    /// Where the gates are kept; `None`: they end with the process.
    pub pins: Option<Arc<Pins>>,
    /// Ids of an earlier weir's programs that still decide; they count as our own.
    left: Vec<u32>,
    /// Whether these are replaced as soon as they are found, because the maps are filled.
    pub may_adopt: bool,
    /// The kernel's id of the native program.
    pub id: u32,
}

debug_partly!(Steering, id);

impl Steering {
    /// Loads the committed programs, adapted to this kernel. `pair` is the outer end of weir's own pair, and
    /// `seed` the address table's.
    pub fn load(kernel: &KernelFacts, pair: u32, seed: Seed) -> anyhow::Result<Self> {
        let (skb, seed) = (kernel.skb.to_words(), seed.to_words());
        let mut ebpf = EbpfLoader::new()
            .override_global(maps::SKB_OFFSETS, &skb, true)
            .override_global(maps::PAIR, &pair, true)
            .override_global(maps::TABLE_SEED, &seed, true)
            .load(&kernel.link(OBJECT))
            .context("the kernel does not take the XDP program's object")?;
        let refused = "the kernel does not take the XDP program";
        for name in [maps::GATE, maps::CATCH_ALL, maps::FENCE, maps::CHARGE] {
            program::<SchedClassifier>(&mut ebpf, name)?.load().context(refused)?;
        }
        for name in [maps::BEHIND, maps::PROGRAM] {
            program::<Xdp>(&mut ebpf, name)?.load().context(refused)?;
        }
        let id = program::<Xdp>(&mut ebpf, maps::PROGRAM)?.info()?.id();
        let steering = Self {
            sockets: take(&mut ebpf, maps::XSKS)?,
            counters: ExpressCounters(Arc::new(Mutex::new(take(&mut ebpf, maps::COUNTERS)?))),
            mac_lock: take(&mut ebpf, maps::MAC_LOCK)?,
            ip_lock: take(&mut ebpf, maps::IP_LOCK)?,
            shed: gate::words(&mut ebpf, maps::SHED, shed::WORDS)?,
            watch_wanted: take(&mut ebpf, maps::WATCH)?,
            watch_missed: take(&mut ebpf, maps::WATCH_MISSED)?,
            unsteered: Arc::new(Mutex::new(UnsteeredReader(take(&mut ebpf, maps::UNSTEERED)?))),
            gate: GateMaps::take(&mut ebpf)?,
            pins: None,
            left: Vec::new(),
            may_adopt: false,
            id,
            ebpf,
        };
        // The tables are still empty, and therefore correct.
        steering.gate.say_current(clock_monotonic_ns());
        Ok(steering)
    }

    /// Stores a bound AF_XDP socket as the target to which the program redirects a port's frames.
    pub fn set_socket(
        &mut self,
        slot: u16,
        queue: u32,
        socket: BorrowedFd<'_>,
    ) -> Result<(), MapsError> {
        self.sockets.set(socket_index(slot, queue)?, socket, 0).map_err(write_error(maps::XSKS))
    }

    /// Removes the socket. From here on the port's fallback applies to that queue.
    pub fn clear_socket(&mut self, slot: u16, queue: u32) -> Result<(), MapsError> {
        removed(self.sockets.unset(socket_index(slot, queue)?), maps::XSKS)
    }

    /// Attaches a port's program, which does nothing until it knows the port.
    pub fn attach(
        &mut self,
        ifindex: u32,
        name: &str,
        mode: Mode,
    ) -> Result<Attached, AttachError> {
        match mode {
            Mode::Native => self.attach_native(ifindex, name),
            Mode::Gate => self.attach_gate(ifindex, name),
        }
    }

    fn attach_native(&mut self, ifindex: u32, name: &str) -> Result<Attached, AttachError> {
        let failed = |error: ProgramError| AttachError::Program {
            name: name.to_owned(),
            error: error.into(),
        };
        let xdp: &mut Xdp = program(&mut self.ebpf, maps::PROGRAM).map_err(failed)?;
        let id = xdp
            .attach_to_if_index(ifindex, XdpMode::Driver)
            .map_err(|error| refusal(error, ifindex, name))?;
        let link = FdLink::try_from(xdp.take_link(id).map_err(failed)?).map_err(|_| {
            // aya fell back to an attachment that would outlive this process.
            take_off(ifindex);
            AttachError::NoLink { name: name.to_owned() }
        })?;
        Ok(Attached { link, ifindex, mode: Mode::Native, pin: None, is_left: false })
    }

    /// Detaches the program, which returns the interface to the kernel.
    pub fn detach(&mut self, attached: Attached) -> Result<(), ProgramError> {
        drop(attached.pin);
        attached.link.detach()
    }

    /// Makes a slot ready for another port: counters at zero, nothing shed, no sockets.
    pub fn reset_slot(&mut self, slot: u16) -> Result<(), MapsError> {
        set_zero(&mut self.counters.map(), maps::COUNTERS, slot)?;
        self.clear_shed(slot);
        self.gate.reset_slot(slot)?;
        (0..MAX_QUEUES).try_for_each(|queue| self.clear_socket(slot, queue))
    }

    /// Clears the shed bits of a free slot, as source and as link. Workers clear those they set, so there
    /// should be none; a leftover bit would silence the slot's next port. Each write is atomic, since a
    /// worker may be changing the bits beside it.
    fn clear_shed(&self, slot: u16) {
        let clear = |ingress: u16, egress: u16| {
            let Some((word, mask)) = shed::cell(ingress, egress) else { return };
            // Writing bits that are clear would take the cache line from the worker beside it.
            let word = self.shed.get(word);
            if let Some(word) = word.filter(|word| word.load(Ordering::Relaxed) & mask != 0) {
                word.fetch_and(!mask, Ordering::Relaxed);
            }
        };
        for other in 0..MAX_PORTS as u16 {
            clear(slot, other);
            clear(other, slot);
        }
    }

    /// Allows a source address on a port whose configuration has the MAC lock.
    pub fn allow_mac(&mut self, slot: u16, mac: [u8; 6]) -> Result<(), MapsError> {
        self.mac_lock
            .insert(MacLockKey { slot, mac }.to_bytes(), 1, 0)
            .map_err(write_error(maps::MAC_LOCK))
    }

    pub fn revoke_mac(&mut self, slot: u16, mac: [u8; 6]) -> Result<(), MapsError> {
        removed(self.mac_lock.remove(&MacLockKey { slot, mac }.to_bytes()), maps::MAC_LOCK)
    }

    /// Allows a source address on a port whose configuration has the IP lock.
    pub fn allow_ip(&mut self, slot: u16, address: IpAddr) -> Result<(), MapsError> {
        self.ip_lock.insert(ip_key(slot, address), 1, 0).map_err(write_error(maps::IP_LOCK))
    }

    pub fn revoke_ip(&mut self, slot: u16, address: IpAddr) -> Result<(), MapsError> {
        removed(self.ip_lock.remove(&ip_key(slot, address)), maps::IP_LOCK)
    }
}

/// Takes a map out of the object, as the type that it is read and written by.
fn take<T: TryFrom<Map, Error = MapError>>(ebpf: &mut Ebpf, name: &str) -> anyhow::Result<T> {
    let map = ebpf.take_map(name).with_context(|| missing(name))?;
    let of_another = || format!("the XDP program's `{name}` is not of this version of weir");
    map.try_into().with_context(of_another)
}

fn missing(name: &str) -> String {
    format!("the XDP program's object has no `{name}`: it belongs to another version of weir")
}

/// The program of that name and type.
fn program<'a, P: 'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, ProgramError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()
}

fn ip_key(slot: u16, address: IpAddr) -> [u8; IpLockKey::LEN] {
    let mapped = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    IpLockKey::new(slot, mapped.octets()).to_bytes()
}

fn socket_index(slot: u16, queue: u32) -> Result<u32, MapsError> {
    if u32::from(slot) >= MAX_PORTS || queue >= MAX_QUEUES {
        return Err(MapsError::OutOfRange { slot, queue });
    }
    Ok(u32::from(slot) * MAX_QUEUES + queue)
}

/// Sets a slot's counts to zero on all CPUs.
fn set_zero<const N: usize>(
    counts: &mut PerCpuArray<MapData, [u64; N]>,
    name: &'static str,
    slot: u16,
) -> Result<(), MapsError> {
    let cpus = nr_cpus().map_err(|(_, error)| MapsError::Counters(error))?;
    let zeroes = PerCpuValues::try_from(vec![[0; N]; cpus]).map_err(MapsError::Counters)?;
    counts.set(slot.into(), zeroes, 0).map_err(write_error(name))
}

/// The removal of an entry from a map; of an absent one it counts as success.
fn removed(result: Result<(), MapError>, name: &'static str) -> Result<(), MapsError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        other => other.map_err(write_error(name)),
    }
}

#[cfg(test)]
mod tests;
