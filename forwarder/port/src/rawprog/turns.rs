//! Sends every frame as the next of several: each time with another front, in turn.
//!
//! Invariant: a front holds all that differs between its frames and another's, checksums included;
//! nothing is computed in the kernel.

use super::{
    ADD_IMM, Action, Counter, EXIT, HELPER_LOOKUP, JGT_REG, JNE_IMM, LOAD_DW, LOAD_W, MOD_IMM,
    MOV_IMM, MOV_REG, Program, STORE_DW, STORE_W, checked, count, create_map, finish, insn,
    map_address,
};
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Bytes of a front: Ethernet, IPv6 and UDP fit, and no frame is shorter.
pub const FRONT: usize = 64;

impl Program {
    /// Counts every frame and gives it the next front; what is too short for one is dropped. The
    /// turn is counted on each core.
    pub fn in_turn(counter: &Counter, fronts: &[[u8; FRONT]], action: Action) -> io::Result<Self> {
        let map =
            create_map(libbpf_sys::BPF_MAP_TYPE_ARRAY, FRONT as u32, fronts.len().max(1) as u32)?;
        for (key, front) in fronts.iter().enumerate() {
            write_front(&map, key as u32, front)?;
        }
        // r6: the context. `count` leaves the number's address in r0, or 0, which never happens.
        let mut code = vec![insn(MOV_REG, 6, 1, 0, 0)];
        code.extend(count(counter));
        code.extend([insn(JNE_IMM, 0, 0, 2, 0)]);
        code.extend(finish(Action::Drop));
        code.extend([
            insn(LOAD_DW, 7, 0, 0, 0),
            insn(MOD_IMM, 7, 0, 0, fronts.len().max(1) as i32),
            insn(STORE_W, 10, 7, -4, 0),
            insn(MOV_REG, 2, 10, 0, 0),
            insn(ADD_IMM, 2, 0, 0, -4),
        ]);
        code.extend(map_address(1, &map));
        code.push(insn(super::CALL, 0, 0, 0, HELPER_LOOKUP));
        code.push(insn(JNE_IMM, 0, 0, 2, 0));
        code.extend(finish(Action::Drop));
        let words = FRONT as i16 / 8;
        code.extend([
            insn(LOAD_W, 2, 6, 0, 0),
            insn(LOAD_W, 3, 6, 4, 0),
            insn(MOV_REG, 4, 2, 0, 0),
            insn(ADD_IMM, 4, 0, 0, FRONT as i32),
            insn(JGT_REG, 4, 3, 2 * words + 2, 0),
        ]);
        for at in (0..words).map(|word| word * 8) {
            code.extend([insn(LOAD_DW, 1, 0, at, 0), insn(STORE_DW, 2, 1, at, 0)]);
        }
        code.extend(finish(action));
        code.extend([insn(MOV_IMM, 0, 0, 0, Action::Drop as i32), insn(EXIT, 0, 0, 0, 0)]);
        // The program keeps its map when it is closed here.
        Self::load(&code)
    }
}

fn write_front(map: &OwnedFd, key: u32, front: &[u8; FRONT]) -> io::Result<()> {
    // SAFETY: the key is four bytes and the value FRONT bytes, as the map says; both outlive the
    // call, which only reads them.
    checked(unsafe {
        libbpf_sys::bpf_map_update_elem(
            map.as_raw_fd(),
            (&raw const key).cast::<c_void>(),
            front.as_ptr().cast::<c_void>(),
            0,
        )
    })
    .map(drop)
}
