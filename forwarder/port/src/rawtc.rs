//! Tiny tc programs that hand VLAN tags over as a guest's VLAN device does: beside the packet data,
//! for the device to insert. For tests on kernels without VLAN devices.
//!
//! Invariant: the program is attached as long as its [`TagBeside`] lives and no longer; a
//! [`TagThen`] is attached nowhere.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Attached to an interface's egress; detached on drop.
#[derive(Debug)]
pub struct TagBeside {
    _program: OwnedFd,
    _link: OwnedFd,
}

fn owned(ret: i32) -> io::Result<OwnedFd> {
    if ret < 0 {
        // libbpf returns the negated errno.
        return Err(io::Error::from_raw_os_error(-ret));
    }
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else has seen it.
    Ok(unsafe { OwnedFd::from_raw_fd(ret) })
}

/// One instruction as the kernel lays it out.
const fn insn(op: u8, dst: u8, src: u8, imm: i32) -> u64 {
    op as u64 | (dst as u64) << 8 | (src as u64) << 12 | (imm as u32 as u64) << 32
}

const MOV_IMM: u8 = 0xb7;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const SKB_VLAN_PUSH: i32 = 18;

fn load(code: &[u64]) -> io::Result<OwnedFd> {
    // SAFETY: both strings are NUL-terminated constants, an instruction is eight bytes without
    // alignment beyond that of u64, and `code` outlives the call; no options are passed.
    owned(unsafe {
        libbpf_sys::bpf_prog_load(
            libbpf_sys::BPF_PROG_TYPE_SCHED_CLS,
            c"weir_tag".as_ptr(),
            c"GPL".as_ptr(),
            code.as_ptr().cast(),
            code.len() as _,
            std::ptr::null_mut(),
        )
    })
}

impl TagBeside {
    /// Tags every frame that leaves by this interface of the calling thread's namespace.
    pub fn attach(ifindex: u32, tci: u16) -> io::Result<Self> {
        let ethertype = i32::from(0x8100_u16.to_be());
        // The context stays in r1, which is the helper's first argument.
        let program = load(&[
            insn(MOV_IMM, 2, 0, ethertype),
            insn(MOV_IMM, 3, 0, i32::from(tci)),
            insn(CALL, 0, 0, SKB_VLAN_PUSH),
            insn(MOV_IMM, 0, 0, 0),
            insn(EXIT, 0, 0, 0),
        ])?;
        // SAFETY: no options are passed, nothing of ours is touched.
        let link = owned(unsafe {
            libbpf_sys::bpf_link_create(
                program.as_raw_fd(),
                ifindex as i32,
                libbpf_sys::BPF_TCX_EGRESS,
                std::ptr::null(),
            )
        })?;
        Ok(Self { _program: program, _link: link })
    }
}

/// Puts a tag beside a frame and goes on to another tc program, whose answer is its own: for test
/// runs, which cannot bring such a frame.
#[derive(Debug)]
pub struct TagThen {
    program: OwnedFd,
    _next: OwnedFd,
}

impl TagThen {
    pub fn new(proto: u16, tci: u16, next: BorrowedFd<'_>) -> io::Result<Self> {
        const MOV: u8 = 0xbf;
        const LOAD_MAP: u8 = 0x18;
        const PSEUDO_MAP_FD: u8 = 1;
        const TAIL_CALL: i32 = 12;
        // SAFETY: the name is a NUL-terminated constant; no options are passed.
        let programs = owned(unsafe {
            libbpf_sys::bpf_map_create(
                libbpf_sys::BPF_MAP_TYPE_PROG_ARRAY,
                c"weir_next".as_ptr(),
                4,
                4,
                1,
                std::ptr::null(),
            )
        })?;
        let (key, value) = (0_u32, next.as_raw_fd());
        // SAFETY: key and value are four bytes as the map says.
        let put = unsafe {
            libbpf_sys::bpf_map_update_elem(
                programs.as_raw_fd(),
                (&raw const key).cast(),
                (&raw const value).cast(),
                0,
            )
        };
        if put < 0 {
            return Err(io::Error::from_raw_os_error(-put));
        }
        let program = load(&[
            insn(MOV, 6, 1, 0),
            insn(MOV_IMM, 2, 0, i32::from(proto.to_be())),
            insn(MOV_IMM, 3, 0, i32::from(tci)),
            insn(CALL, 0, 0, SKB_VLAN_PUSH),
            insn(MOV, 1, 6, 0),
            insn(LOAD_MAP, 2, PSEUDO_MAP_FD, programs.as_raw_fd()),
            0,
            insn(MOV_IMM, 3, 0, 0),
            insn(CALL, 0, 0, TAIL_CALL),
            // Only where the call fails: no program answers so.
            insn(MOV_IMM, 0, 0, 99),
            insn(EXIT, 0, 0, 0),
        ])?;
        Ok(Self { program, _next: programs })
    }
}

impl AsFd for TagThen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}
