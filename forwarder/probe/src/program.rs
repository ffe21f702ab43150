//! The small programs of `weir-traffic.o`, loaded and attached.
//!
//! Invariant: a program is attached as long as its [`Attached`] lives and no longer; the kernel detaches
//! it when the process dies.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Map, MapData, PerCpuArray};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::XdpLink;
use aya::programs::{LinkOrder, Program as Loaded, TcAttachType, XdpMode};
use aya::{Ebpf, EbpfLoader};

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../xdp-ebpf/prebuilt/weir-traffic.o");

/// What the program does with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Drop = 1,
    Pass = 2,
    /// Sent back out of its ingress interface; a live frame leaves by the interface that it names.
    Tx = 3,
}

/// Where the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// On the finished skb.
    Skb,
    /// In the driver.
    Native,
    /// At tcx ingress, which frames from `bpf_redirect_peer` also pass; merged segments arrive in one
    /// piece.
    Tcx,
    /// At tcx egress.
    TcxEgress,
}

/// A loaded program and its maps.
#[derive(Debug)]
pub struct Program {
    ebpf: Ebpf,
    name: &'static str,
    fd: OwnedFd,
}

/// A program at an interface; detached on drop.
#[derive(Debug)]
pub enum Attached {
    Xdp(XdpLink),
    Tcx(SchedClassifierLink),
}

/// The frames that a program has counted.
pub type Counter = PerCpu<1>;

impl Counter {
    /// The sum over all CPUs.
    pub fn total(&self) -> io::Result<u64> {
        self.sums(0).map(|[total]| total)
    }
}

/// A map of `N` numbers an entry, for each CPU.
#[derive(Debug)]
pub struct PerCpu<const N: usize>(Map);

impl<const N: usize> PerCpu<N> {
    /// The sums over all CPUs.
    pub fn sums(&self, entry: u32) -> io::Result<[u64; N]> {
        let map = PerCpuArray::<&MapData, [u64; N]>::try_from(&self.0).map_err(refused)?;
        let values = map.get(&entry, 0).map_err(refused)?;
        let add = |sum: [u64; N], value: &[u64; N]| {
            std::array::from_fn(|at| sum.get(at).unwrap_or(&0) + value.get(at).unwrap_or(&0))
        };
        Ok(values.iter().fold([0; N], add))
    }
}

/// Two of `(offset, bytes)`.
type Patterns = [(u8, [u8; 4]); 2];

impl Program {
    /// Counts every frame.
    pub fn count(action: Action) -> io::Result<Self> {
        Self::load("count", &[("ACTION", &[action as u32])])
    }

    /// Counts the frames that have one of these byte patterns at its offset, VLAN tags included. It
    /// applies `action` to them and `otherwise` to the rest.
    pub fn matching(patterns: Patterns, action: Action, otherwise: Action) -> io::Result<Self> {
        let words = patterns.map(|(at, bytes)| [u32::from(at), u32::from_ne_bytes(bytes)]);
        Self::load(
            "matching",
            &[
                ("PATTERNS", words.as_flattened()),
                ("ACTION", &[action as u32]),
                ("OTHERWISE", &[otherwise as u32]),
            ],
        )
    }

    /// Any of the programs in `xdp-ebpf/src/traffic.rs`, with its globals.
    pub fn load(name: &'static str, globals: &[(&str, &[u32])]) -> io::Result<Self> {
        let mut loader = EbpfLoader::new();
        for (global, value) in globals {
            loader.override_global(global, *value, true);
        }
        let mut ebpf = loader.load(OBJECT).map_err(refused)?;
        let program = ebpf.program_mut(name).ok_or(io::ErrorKind::NotFound)?;
        match program {
            Loaded::Xdp(program) => program.load(),
            Loaded::SchedClassifier(program) => program.load(),
            Loaded::RawTracePoint(program) => program.load(),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        .map_err(refused)?;
        let fd = program.fd().map_err(refused)?.as_fd().try_clone_to_owned()?;
        Ok(Self { ebpf, name, fd })
    }

    /// Its counter; it can be taken once.
    pub fn counter(&mut self) -> io::Result<Counter> {
        self.per_cpu("COUNT")
    }

    /// Another per-CPU map of numbers.
    pub fn per_cpu<const N: usize>(&mut self, name: &str) -> io::Result<PerCpu<N>> {
        self.map(name).map(PerCpu)
    }

    /// Another of its maps; it can be taken once.
    pub fn map(&mut self, name: &str) -> io::Result<Map> {
        self.ebpf.take_map(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Attaches it to an interface of the calling thread's namespace.
    pub fn attach(&mut self, ifindex: u32, hook: Hook) -> io::Result<Attached> {
        let program = self.ebpf.program_mut(self.name).ok_or(io::ErrorKind::NotFound)?;
        match (program, hook) {
            (Loaded::Xdp(program), Hook::Skb | Hook::Native) => {
                let mode = if hook == Hook::Skb { XdpMode::Skb } else { XdpMode::Driver };
                let id = program.attach_to_if_index(ifindex, mode).map_err(refused)?;
                program.take_link(id).map(Attached::Xdp).map_err(refused)
            }
            (Loaded::SchedClassifier(program), Hook::Tcx | Hook::TcxEgress) => {
                let at =
                    if hook == Hook::Tcx { TcAttachType::Ingress } else { TcAttachType::Egress };
                let name = nix::net::if_::if_indextoname(ifindex)?;
                let name = name.to_str().map_err(io::Error::other)?;
                let last = TcAttachOptions::TcxOrder(LinkOrder::default());
                let id = program.attach_with_options(name, at, last).map_err(refused)?;
                program.take_link(id).map(Attached::Tcx).map_err(refused)
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Attaches it to a trace point for as long as the program lives.
    pub fn attach_to_trace_point(&mut self, name: &str) -> io::Result<()> {
        match self.ebpf.program_mut(self.name) {
            Some(Loaded::RawTracePoint(program)) => program.attach(name).map(drop).map_err(refused),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Keeps the kernel's error number if there is one: callers recognize by it what this kernel lacks.
pub fn refused(error: impl std::error::Error + 'static) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(errno) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(errno);
        }
        cause = error.source();
    }
    io::Error::other(error.to_string())
}
