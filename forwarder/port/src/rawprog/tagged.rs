//! Sends tagged frames out of the interface that their VLAN tag names, without the tag: what stands
//! at the outer end of a pair when a bench sends for many interfaces by one socket.
//!
//! Invariant: a frame whose tag names no interface is dropped.

use super::{
    ADD_IMM, Attached, CALL, EXIT, HELPER_LOOKUP, HELPER_REDIRECT, JEQ_IMM, LOAD_W, MOV_IMM,
    MOV_REG, STORE_W, checked, create_map, insn, load_as, map_address, owned,
};
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Where `vlan_tci` stands in `struct __sk_buff`: the kernel has moved the tag there before tcx.
const VLAN_TCI: i16 = 24;
const VID: i32 = 0xfff;
const TC_DROP: i32 = 2;
const AND_IMM: u8 = 0x57;
const HELPER_VLAN_POP: i32 = 19;
const HELPER_REDIRECT_PEER: i32 = 155;

impl Attached {
    /// At tcx ingress of an interface of the calling thread's namespace; `ways` are VLAN ids and the
    /// interfaces they name. With `peer` a frame goes to the other end of that interface's veth at
    /// once, which is in another namespace.
    pub fn by_tag(ifindex: u32, ways: &[(u16, u32)], peer: bool) -> io::Result<Self> {
        let map = create_map(libbpf_sys::BPF_MAP_TYPE_ARRAY, 4, VID as u32 + 1)?;
        for (vid, egress) in ways {
            let key = u32::from(*vid);
            // SAFETY: key and value are four bytes each, as the map says, and outlive the call.
            checked(unsafe {
                libbpf_sys::bpf_map_update_elem(
                    map.as_raw_fd(),
                    (&raw const key).cast::<c_void>(),
                    std::ptr::from_ref(egress).cast::<c_void>(),
                    0,
                )
            })?;
        }
        // r6: the context, r7: the interface; 0, in places that were not written, is none.
        let mut code = vec![
            insn(MOV_REG, 6, 1, 0, 0),
            insn(LOAD_W, 2, 1, VLAN_TCI, 0),
            insn(AND_IMM, 2, 0, 0, VID),
            insn(STORE_W, 10, 2, -4, 0),
            insn(MOV_REG, 2, 10, 0, 0),
            insn(ADD_IMM, 2, 0, 0, -4),
        ];
        code.extend(map_address(1, &map));
        code.extend([
            insn(CALL, 0, 0, 0, HELPER_LOOKUP),
            insn(JEQ_IMM, 0, 0, 8, 0),
            insn(LOAD_W, 7, 0, 0, 0),
            insn(JEQ_IMM, 7, 0, 6, 0),
            insn(MOV_REG, 1, 6, 0, 0),
            insn(CALL, 0, 0, 0, HELPER_VLAN_POP),
            insn(MOV_REG, 1, 7, 0, 0),
            insn(MOV_IMM, 2, 0, 0, 0),
            insn(CALL, 0, 0, 0, if peer { HELPER_REDIRECT_PEER } else { HELPER_REDIRECT }),
            insn(EXIT, 0, 0, 0, 0),
            insn(MOV_IMM, 0, 0, 0, TC_DROP),
            insn(EXIT, 0, 0, 0, 0),
        ]);
        // The program keeps its map, and the link its program.
        at_tcx(&load_as(libbpf_sys::BPF_PROG_TYPE_SCHED_CLS, &code, 0)?, ifindex)
    }
}

/// A program of that type at tcx ingress of an interface of the calling thread's namespace.
pub(super) fn at_tcx(program: &OwnedFd, ifindex: u32) -> io::Result<Attached> {
    // SAFETY: no options are passed, nothing of ours is touched.
    let link = owned(unsafe {
        libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            ifindex as i32,
            libbpf_sys::BPF_TCX_INGRESS,
            std::ptr::null(),
        )
    })?;
    Ok(Attached { _link: link })
}
