//! Tiny XDP programs, assembled here and loaded as they are: what benches and tests put at a
//! guest's end to count, match, drop, bounce or redirect frames; and such that count what the
//! kernel's trace points see.
//!
//! Invariant: a program is attached as long as its [`Attached`] lives and no longer; the kernel
//! detaches it when the process dies.

mod events;
mod links;
mod receive;
mod tagged;
mod tally;
mod turns;

pub use events::{Event, EventCounter, Seen};
pub use links::{take_off, take_off_tcx};
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
pub use tally::{By, Count, Keep, Tally};
pub use turns::FRONT;

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Drop = 1,
    Pass = 2,
    /// Back out of the interface it came in by; a live frame leaves by the interface it names.
    Tx = 3,
}

/// Where on the receive path the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// On the finished skb.
    Skb,
    /// In the driver.
    Native,
    /// At tcx ingress, which a frame that `bpf_redirect_peer` brings passes as well, merged segments in
    /// one piece.
    Tcx,
}

/// A loaded program.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
}

/// A program at an interface; detached on drop.
#[derive(Debug)]
pub struct Attached {
    _link: OwnedFd,
}

/// One 64-bit number per core, added to by a program and summed here.
#[derive(Debug)]
pub struct Counter {
    map: OwnedFd,
    cores: usize,
}

/// A map from queue to AF_XDP socket.
#[derive(Debug)]
pub struct XskMap {
    map: OwnedFd,
}

/// An array map of `N` words an entry that can be mapped into memory.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct SharedArray<const N: usize> {
    map: OwnedFd,
}

pub(crate) fn checked(ret: i32) -> io::Result<i32> {
    // libbpf returns the negated errno.
    if ret < 0 { Err(io::Error::from_raw_os_error(-ret)) } else { Ok(ret) }
}

pub(crate) fn owned(ret: i32) -> io::Result<OwnedFd> {
    let fd = checked(ret)?;
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else has seen it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn create_map(kind: u32, value_size: u32, entries: u32) -> io::Result<OwnedFd> {
    // SAFETY: the name is a NUL-terminated constant; no options are passed.
    owned(unsafe {
        libbpf_sys::bpf_map_create(
            kind,
            c"weir_raw".as_ptr(),
            4,
            value_size,
            entries,
            std::ptr::null(),
        )
    })
}

/// What a per-core map has values for.
fn possible_cores() -> io::Result<usize> {
    // SAFETY: takes and touches nothing of ours.
    Ok(checked(unsafe { libbpf_sys::libbpf_num_possible_cpus() })? as usize)
}

/// Reads one entry of an array; `values` is as long as the entry, over all cores if it has one
/// for each.
fn read_elem(map: &OwnedFd, key: u32, values: &mut [u64]) -> io::Result<()> {
    // SAFETY: the key is four bytes as the map says, and the kernel writes an entry, for each
    // possible core in a per-core map: what the callers' `values` hold, by their maps' sizes.
    checked(unsafe {
        libbpf_sys::bpf_map_lookup_elem(
            map.as_raw_fd(),
            (&raw const key).cast::<c_void>(),
            values.as_mut_ptr().cast::<c_void>(),
        )
    })
    .map(drop)
}

impl Counter {
    pub fn new() -> io::Result<Self> {
        let map = create_map(libbpf_sys::BPF_MAP_TYPE_PERCPU_ARRAY, 8, 1)?;
        Ok(Self { map, cores: possible_cores()? })
    }

    /// The sum over all cores.
    pub fn total(&self) -> io::Result<u64> {
        let mut values = vec![0_u64; self.cores];
        read_elem(&self.map, 0, &mut values)?;
        Ok(values.iter().sum())
    }
}

impl XskMap {
    pub fn new(entries: u32) -> io::Result<Self> {
        Ok(Self { map: create_map(libbpf_sys::BPF_MAP_TYPE_XSKMAP, 4, entries)? })
    }

    pub fn set(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        let fd = socket.as_raw_fd();
        // SAFETY: key and value are four bytes each, as the map says, and outlive the call.
        checked(unsafe {
            libbpf_sys::bpf_map_update_elem(
                self.map.as_raw_fd(),
                (&raw const queue).cast::<c_void>(),
                (&raw const fd).cast::<c_void>(),
                0,
            )
        })
        .map(drop)
    }
}

#[cfg(test)]
impl<const N: usize> SharedArray<N> {
    pub(crate) fn new(entries: u32) -> io::Result<Self> {
        let options = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as _,
            map_flags: libbpf_sys::BPF_F_MMAPABLE,
            ..Default::default()
        };
        // SAFETY: the name is a NUL-terminated constant; `options` names its own size and outlives
        // the call.
        let map = owned(unsafe {
            libbpf_sys::bpf_map_create(
                libbpf_sys::BPF_MAP_TYPE_ARRAY,
                c"weir_raw".as_ptr(),
                4,
                8 * N as u32,
                entries,
                &raw const options,
            )
        })?;
        Ok(Self { map })
    }

    /// An entry as the system call gives it.
    pub(crate) fn get(&self, entry: u32) -> io::Result<[u64; N]> {
        let mut value = [0; N];
        // SAFETY: key and value are as long as the map says, and outlive the call.
        checked(unsafe {
            libbpf_sys::bpf_map_lookup_elem(
                self.map.as_raw_fd(),
                (&raw const entry).cast::<c_void>(),
                value.as_mut_ptr().cast::<c_void>(),
            )
        })?;
        Ok(value)
    }

    pub(crate) fn set(&self, entry: u32, value: [u64; N]) -> io::Result<()> {
        // SAFETY: as in `get`; the kernel only reads.
        checked(unsafe {
            libbpf_sys::bpf_map_update_elem(
                self.map.as_raw_fd(),
                (&raw const entry).cast::<c_void>(),
                value.as_ptr().cast::<c_void>(),
                0,
            )
        })
        .map(drop)
    }
}

#[cfg(test)]
impl<const N: usize> AsFd for SharedArray<N> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

/// One instruction as the kernel lays it out.
const fn insn(op: u8, dst: u8, src: u8, off: i16, imm: i32) -> u64 {
    op as u64
        | (dst as u64) << 8
        | (src as u64) << 12
        | (off as u16 as u64) << 16
        | (imm as u32 as u64) << 32
}

const MOV_IMM: u8 = 0xb7;
const MOV_REG: u8 = 0xbf;
const ADD_IMM: u8 = 0x07;
const LOAD_W: u8 = 0x61;
const LOAD_DW: u8 = 0x79;
const STORE_DW: u8 = 0x7b;
const STORE_IMM_W: u8 = 0x62;
const LOAD_IMM64: u8 = 0x18;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const JEQ_IMM: u8 = 0x15;
const JGT_REG: u8 = 0x2d;
const JNE32_IMM: u8 = 0x56;
const JEQ32_IMM: u8 = 0x16;
const MAP_FD: u8 = 1;
const JNE_IMM: u8 = 0x55;
const MOD_IMM: u8 = 0x97;
const STORE_W: u8 = 0x63;
/// Where the ports of TCP or UDP over IPv4 without options stand.
const FLOW_AT: i16 = 14 + 20;
const HELPER_LOOKUP: i32 = 1;
const HELPER_REDIRECT: i32 = 23;
const HELPER_REDIRECT_MAP: i32 = 51;

fn finish(action: Action) -> [u64; 2] {
    [insn(MOV_IMM, 0, 0, 0, action as i32), insn(EXIT, 0, 0, 0, 0)]
}

fn map_address(reg: u8, map: &OwnedFd) -> [u64; 2] {
    [insn(LOAD_IMM64, reg, MAP_FD, 0, map.as_raw_fd()), 0]
}

fn load_as(kind: libbpf_sys::bpf_prog_type, code: &[u64], flags: u32) -> io::Result<OwnedFd> {
    let mut options = libbpf_sys::bpf_prog_load_opts {
        sz: size_of::<libbpf_sys::bpf_prog_load_opts>() as _,
        prog_flags: flags,
        ..Default::default()
    };
    // SAFETY: both strings are NUL-terminated constants, an instruction is eight bytes without
    // alignment beyond that of u64; `code` and `options`, which names its own size, outlive
    // the call.
    owned(unsafe {
        libbpf_sys::bpf_prog_load(
            kind,
            c"weir_raw".as_ptr(),
            c"GPL".as_ptr(),
            code.as_ptr().cast(),
            code.len() as _,
            &raw mut options,
        )
    })
}

/// Adds one to the counter; 10 instructions.
fn count(counter: &Counter) -> Vec<u64> {
    let mut code = vec![
        insn(STORE_IMM_W, 10, 0, -4, 0),
        insn(MOV_REG, 2, 10, 0, 0),
        insn(ADD_IMM, 2, 0, 0, -4),
    ];
    code.extend(map_address(1, &counter.map));
    code.extend([
        insn(CALL, 0, 0, 0, HELPER_LOOKUP),
        insn(JEQ_IMM, 0, 0, 3, 0),
        insn(LOAD_DW, 1, 0, 0, 0),
        insn(ADD_IMM, 1, 0, 0, 1),
        insn(STORE_DW, 0, 1, 0, 0),
    ]);
    code
}

impl Program {
    /// The same for every frame.
    pub fn always(action: Action) -> io::Result<Self> {
        Self::load(&finish(action))
    }

    /// Makes every frame the next of `flows` flows: IPv4 without options, TCP or UDP, whose ports
    /// become the two halves of a number that counts up on each core. The checksum stays as it is.
    pub fn next_flow(counter: &Counter, flows: u32, action: Action) -> io::Result<Self> {
        let end = FLOW_AT + 4;
        // r6: the context. `count` leaves the number's address in r0, or 0, which never happens.
        let mut code = vec![insn(MOV_REG, 6, 1, 0, 0)];
        code.extend(count(counter));
        code.extend([
            insn(JNE_IMM, 0, 0, 2, 0),
            insn(MOV_IMM, 0, 0, 0, action as i32),
            insn(EXIT, 0, 0, 0, 0),
            insn(LOAD_DW, 7, 0, 0, 0),
            insn(MOD_IMM, 7, 0, 0, flows.max(1) as i32),
            insn(LOAD_W, 2, 6, 0, 0),
            insn(LOAD_W, 3, 6, 4, 0),
            insn(MOV_REG, 4, 2, 0, 0),
            insn(ADD_IMM, 4, 0, 0, i32::from(end)),
            insn(JGT_REG, 4, 3, 1, 0),
            insn(STORE_W, 2, 7, FLOW_AT, 0),
        ]);
        code.extend(finish(action));
        // The program keeps its map when the counter is dropped.
        Self::load(&code)
    }

    /// Counts every frame.
    pub fn count(counter: &Counter, action: Action) -> io::Result<Self> {
        let mut code = count(counter);
        code.extend(finish(action));
        Self::load(&code)
    }

    /// Counts the frames whose four bytes at `offset` are `bytes`, as they stand in the buffer:
    /// VLAN tags included, which a packet socket does not see.
    pub fn count_matching(
        counter: &Counter,
        offset: u8,
        bytes: [u8; 4],
        action: Action,
    ) -> io::Result<Self> {
        let counting = count(counter);
        let skip = counting.len() as i16;
        let at = i16::from(offset);
        let mut code = vec![
            insn(LOAD_W, 2, 1, 0, 0),
            insn(LOAD_W, 3, 1, 4, 0),
            insn(MOV_REG, 4, 2, 0, 0),
            insn(ADD_IMM, 4, 0, 0, i32::from(offset) + 4),
            insn(JGT_REG, 4, 3, skip + 2, 0),
            insn(LOAD_W, 5, 2, at, 0),
            insn(JNE32_IMM, 5, 0, skip, i32::from_ne_bytes(bytes)),
        ];
        code.extend(counting);
        code.extend(finish(action));
        Self::load(&code)
    }

    /// Counts and drops the frames that have any of these four bytes at its offset; all others
    /// pass untouched.
    pub fn take_any(counter: &Counter, patterns: &[(u8, [u8; 4])]) -> io::Result<Self> {
        // What is too short for one may still have another.
        const ONE: usize = 5;
        let mut code = vec![insn(LOAD_W, 2, 1, 0, 0), insn(LOAD_W, 3, 1, 4, 0)];
        for (i, (offset, bytes)) in patterns.iter().enumerate() {
            let pass = 2;
            let to_counting = (patterns.len() - 1 - i) * ONE + pass;
            code.extend([
                insn(MOV_REG, 4, 2, 0, 0),
                insn(ADD_IMM, 4, 0, 0, i32::from(*offset) + 4),
                insn(JGT_REG, 4, 3, 2, 0),
                insn(LOAD_W, 5, 2, i16::from(*offset), 0),
                insn(JEQ32_IMM, 5, 0, to_counting as i16, i32::from_ne_bytes(*bytes)),
            ]);
        }
        code.extend(finish(Action::Pass));
        code.extend(count(counter));
        code.extend(finish(Action::Drop));
        Self::load(&code)
    }

    /// Sends every frame out of another interface of the same namespace.
    pub fn redirect(ifindex: u32) -> io::Result<Self> {
        Self::load(&[
            insn(MOV_IMM, 1, 0, 0, ifindex as i32),
            insn(MOV_IMM, 2, 0, 0, 0),
            insn(CALL, 0, 0, 0, HELPER_REDIRECT),
            insn(EXIT, 0, 0, 0, 0),
        ])
    }

    /// Hands every frame to the socket of its queue, or passes it where there is none.
    pub fn redirect_to_xsk(map: &XskMap) -> io::Result<Self> {
        // `rx_queue_index` stands at offset 16 of `struct xdp_md`.
        let mut code = vec![insn(LOAD_W, 2, 1, 16, 0)];
        code.extend(map_address(1, &map.map));
        code.extend([
            insn(MOV_IMM, 3, 0, 0, Action::Pass as i32),
            insn(CALL, 0, 0, 0, HELPER_REDIRECT_MAP),
            insn(EXIT, 0, 0, 0, 0),
        ]);
        Self::load(&code)
    }

    fn load(code: &[u64]) -> io::Result<Self> {
        Self::load_with(code, 0)
    }

    /// For frames of several fragments: without this the kernel would copy them into one piece.
    fn load_multi_buffer(code: &[u64]) -> io::Result<Self> {
        Self::load_with(code, libbpf_sys::BPF_F_XDP_HAS_FRAGS)
    }

    fn load_with(code: &[u64], flags: u32) -> io::Result<Self> {
        Ok(Self { fd: load_as(libbpf_sys::BPF_PROG_TYPE_XDP, code, flags)? })
    }

    /// Attaches it to an interface of the calling thread's namespace.
    pub fn attach(&self, ifindex: u32, hook: Hook) -> io::Result<Attached> {
        let flags = match hook {
            Hook::Skb => libbpf_sys::XDP_FLAGS_SKB_MODE,
            Hook::Native => libbpf_sys::XDP_FLAGS_DRV_MODE,
            Hook::Tcx => return tagged::at_tcx(&self.fd, ifindex),
        };
        let options = libbpf_sys::bpf_link_create_opts {
            sz: size_of::<libbpf_sys::bpf_link_create_opts>() as _,
            flags,
            ..Default::default()
        };
        // SAFETY: `options` names its own size and outlives the call.
        let link = owned(unsafe {
            libbpf_sys::bpf_link_create(
                self.fd.as_raw_fd(),
                ifindex as i32,
                libbpf_sys::BPF_XDP,
                &raw const options,
            )
        })?;
        Ok(Attached { _link: link })
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
