//! The program with one port, `lo`, and frames to run through it.
//! Invariant: each run is checked to have had exactly one outcome, the action that belongs to it,
//! and, unless the frame was steered, no effect on it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use aya::maps::{HashMap, MapData, PerCpuArray, XskMap};
use aya::programs::Xdp;
use aya::{Ebpf, EbpfLoader};
use etherparse::PacketBuilder;
use weir_abi::{
    Counter, GsoOffsets, MAX_QUEUES, META_LEN, Meta, PortConfig, PortCounters, Verdict, classify,
    fold, maps, meta_flags as f,
};
use weir_port::probe::{KernelFacts, SlotSocket, TestCtx, TestRun, test_run};

pub(crate) const LO: u32 = 1;
pub(crate) const HOST: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];
pub(crate) const BRIDGE: [u8; 6] = [2, 0xbb, 0, 0, 0, 1];
pub(crate) const SRC: [u8; 6] = [2, 0, 0, 0, 0, 5];
pub(crate) const DST: [u8; 6] = [2, 0, 0, 0, 0, 13];
pub(crate) const XDP_DROP: u32 = 1;
pub(crate) const XDP_PASS: u32 = 2;
pub(crate) const XDP_REDIRECT: u32 = 4;

/// The program, with one port: `lo` in slot 3.
pub(crate) struct Program {
    pub(crate) ebpf: Ebpf,
    pub(crate) fd: OwnedFd,
    pub(crate) ports: HashMap<MapData, u32, [u8; PortConfig::LEN]>,
    counters: PerCpuArray<MapData, [u64; PortCounters::WORDS]>,
    sockets: XskMap<MapData>,
    /// Dropped, it would leave its slot.
    socket: SlotSocket,
}

pub(crate) const SLOT: u16 = 3;

impl Program {
    pub(crate) fn load() -> Result<Self> {
        let (object, offsets) = KernelFacts::read().link(&object()?);
        Self::load_as(&object, &offsets)
    }

    pub(crate) fn load_as(object: &[u8], offsets: &[u32; GsoOffsets::WORDS]) -> Result<Self> {
        let mut ebpf =
            EbpfLoader::new().override_global(maps::GSO_OFFSETS, offsets, true).load(object)?;
        let program: &mut Xdp =
            ebpf.program_mut(maps::PROGRAM).context("no such program")?.try_into()?;
        program.load()?;
        let fd = program.fd()?.as_fd().try_clone_to_owned()?;
        let mut take = |name: &str| ebpf.take_map(name).with_context(|| format!("no map {name}"));
        let mut program = Self {
            fd,
            ports: take(maps::PORTS)?.try_into()?,
            counters: take(maps::COUNTERS)?.try_into()?,
            sockets: take(maps::XSKS)?.try_into()?,
            socket: SlotSocket::new()?,
            ebpf,
        };
        program.set_port(LO, 0)?;
        program.open_slot()?;
        Ok(program)
    }

    pub(crate) fn set_port(&mut self, ifindex: u32, flags: u16) -> Result<()> {
        let config = PortConfig::new(SLOT, flags, HOST, BRIDGE);
        Ok(self.ports.insert(ifindex, config.to_bytes(), 0)?)
    }

    pub(crate) fn open_slot(&mut self) -> Result<()> {
        Ok(self.sockets.set(u32::from(SLOT) * MAX_QUEUES, self.socket.as_fd(), 0)?)
    }

    pub(crate) fn close_slot(&mut self) -> Result<()> {
        Ok(self.sockets.unset(u32::from(SLOT) * MAX_QUEUES)?)
    }

    pub(crate) fn counters(&self) -> Result<PortCounters> {
        let mut sum = PortCounters::default();
        for cpu in self.counters.get(&SLOT.into(), 0)?.iter() {
            sum.merge(&PortCounters::from_words(*cpu));
        }
        Ok(sum)
    }

    /// Runs one frame; gives what was left of it and its one outcome.
    pub(crate) fn run(&self, frame: &[u8]) -> Result<(TestRun, Counter)> {
        let before = self.counters()?;
        let ctx = TestCtx { ingress_ifindex: LO, rx_queue_index: 0 };
        let run = test_run(self.fd.as_fd(), frame, Some(ctx))?;
        let after = self.counters()?;
        let changed: Vec<Counter> =
            Counter::all().filter(|c| after.frames(*c) != before.frames(*c)).collect();
        ensure!(changed.len() == 1, "outcomes {changed:?}");
        ensure!(after.received() == before.received() + 1);
        let bytes = after.bytes(changed[0]) - before.bytes(changed[0]);
        ensure!(bytes == frame.len() as u64, "{bytes} bytes counted of {}", frame.len());
        let action = match changed[0] {
            Counter::Steered => XDP_REDIRECT,
            Counter::PassedHost | Counter::PassedFallback => XDP_PASS,
            _ => XDP_DROP,
        };
        ensure!(run.action == action, "{:?} with action {}", changed[0], run.action);
        if action != XDP_REDIRECT {
            ensure!(run.data == frame && run.meta.is_empty(), "changed, though not steered");
        }
        Ok((run, changed[0]))
    }

    pub(crate) fn outcome(&self, frame: &[u8]) -> Result<Counter> {
        Ok(self.run(frame)?.1)
    }

    /// Runs a frame that is steered; gives its metadata and what user space would get.
    pub(crate) fn steered(&self, frame: &[u8]) -> Result<(Meta, Vec<u8>)> {
        let (run, outcome) = self.run(frame)?;
        ensure!(outcome == Counter::Steered, "{outcome:?}");
        let bytes: [u8; META_LEN] = run.meta.as_slice().try_into()?;
        Ok((Meta::from_bytes(bytes), run.data))
    }
}

pub(crate) fn ebpf_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../xdp-ebpf")
}

pub(crate) fn object() -> Result<Vec<u8>> {
    Ok(fs::read(ebpf_folder().join("prebuilt/weir-steer.o"))?)
}

pub(crate) fn corpus() -> Result<Vec<(String, Vec<u8>)>> {
    let mut frames = Vec::new();
    for entry in fs::read_dir(ebpf_folder().join("abi/corpus"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "bin") {
            frames.push((path.display().to_string(), fs::read(&path)?));
        }
    }
    ensure!(frames.len() > 50, "the corpus is not there");
    frames.sort();
    Ok(frames)
}

pub(crate) fn monotonic_ns() -> Result<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// The sum over the L4 part and the pseudo-header: 0xffff where the checksum is right.
pub(crate) fn residue(frame: &[u8], v: &Verdict) -> u16 {
    let l4 = &frame[v.l4_off as usize..][..v.csum_len as usize];
    let words = l4.chunks(2).map(|w| u64::from(w[0]) << 8 | u64::from(*w.get(1).unwrap_or(&0)));
    fold(u64::from(v.pseudo) + words.sum::<u64>())
}

/// What the program must make of a frame: everything the parser says, with the checksum completed
/// if it looked partial and nothing else changed.
pub(crate) fn check_steered(frame: &[u8], v: &Verdict, meta: &Meta, data: &[u8]) -> Result<()> {
    let completed = if v.looks_partial() { f::CSUM_COMPLETED } else { 0 };
    let expected = Meta {
        flags: v.flags | completed,
        ..Meta::new(v, meta.ingress_ns, frame.len() as u32, SLOT)
    };
    ensure!(*meta == expected, "{meta:?}, expected {expected:?}");
    let mut wanted = frame.to_vec();
    if v.looks_partial() {
        let field = v.csum_off() as usize;
        wanted[field..field + 2].copy_from_slice(&data[field..field + 2]);
        ensure!(residue(data, v) == 0xffff, "completed to a wrong checksum");
        let zero = v.is(f::UDP) && data[field..field + 2] == [0, 0];
        ensure!(!zero, "a UDP checksum of 0 means there is none");
    }
    ensure!(data == wanted, "changed beyond the checksum");
    Ok(())
}

/// A frame with a right checksum from etherparse.
pub(crate) fn build(tags: u8, v6: bool, tcp: bool, payload: &[u8]) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    macro_rules! finish {
        ($link:expr) => {{
            let link = $link;
            let ip = match v6 {
                true => link.ipv6([0xfd; 16], [0xfe; 16], 64),
                false => link.ipv4([10, 0, 0, 5], [10, 0, 0, 13], 64),
            };
            match tcp {
                true => ip.tcp(40000, 443, 7, 1000).write(&mut frame, payload)?,
                false => ip.udp(40000, 443).write(&mut frame, payload)?,
            }
        }};
    }
    let ethernet = PacketBuilder::ethernet2(SRC, DST);
    match tags {
        0 => finish!(ethernet),
        1 => finish!(ethernet.single_vlan(100.try_into()?)),
        _ => finish!(ethernet.double_vlan(200.try_into()?, 100.try_into()?)),
    }
    Ok(frame)
}

/// Puts the pseudo-header sum where the checksum belongs, as a guest with offloads does.
pub(crate) fn make_partial(frame: &mut [u8]) -> Result<()> {
    let v = classify(&*frame).ok().context("malformed")?;
    let field = v.csum_off() as usize;
    frame[field..field + 2].copy_from_slice(&v.pseudo.to_be_bytes());
    Ok(())
}

pub(crate) fn combinations() -> impl Iterator<Item = (u8, bool, bool)> {
    (0..3).flat_map(|tags| {
        [(tags, false, false), (tags, false, true), (tags, true, false), (tags, true, true)]
    })
}
