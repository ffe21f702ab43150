//! The smallest program behind which a port can receive: single frames only, nothing parsed.

use std::io;

use weir_abi::{ABI_VERSION, META_LEN};

use super::{
    ADD_IMM, Action, CALL, EXIT, HELPER_REDIRECT_MAP, JGT_REG, JNE_IMM, LOAD_W, MOV_IMM, MOV_REG,
    Program, STORE_IMM_W, STORE_W, XskMap, finish, insn, map_address,
};

const SUB_REG: u8 = 0x1f;
const STORE_H: u8 = 0x6b;
const STORE_IMM_H: u8 = 0x6a;
const STORE_IMM_DW: u8 = 0x7a;
const HELPER_ADJUST_META: i32 = 54;
// Offsets in `struct xdp_md`.
const DATA: i16 = 0;
const DATA_END: i16 = 4;
const DATA_META: i16 = 8;
const RX_QUEUE_INDEX: i16 = 16;
// Offsets in `weir_abi::Meta`.
const LEN: i16 = 12;
const PORT: i16 = 16;
const ABI: i16 = 30;

impl Program {
    /// Hands every frame to the socket of its queue, as received by the port in slot `first_slot`
    /// plus that queue; passes it where there is no socket.
    pub fn receive(map: &XskMap, first_slot: u16) -> io::Result<Self> {
        let mut fill = vec![
            insn(LOAD_W, 2, 6, DATA_META, 0),
            insn(LOAD_W, 3, 6, DATA, 0),
            insn(MOV_REG, 4, 2, 0, 0),
            insn(ADD_IMM, 4, 0, 0, META_LEN as i32),
            insn(JGT_REG, 4, 3, 0, 0),
            insn(STORE_IMM_DW, 2, 0, 0, 0),
            insn(STORE_IMM_W, 2, 0, 8, 0),
            insn(LOAD_W, 5, 6, DATA_END, 0),
            insn(SUB_REG, 5, 3, 0, 0),
            insn(STORE_W, 2, 5, LEN, 0),
            insn(LOAD_W, 5, 6, RX_QUEUE_INDEX, 0),
            insn(ADD_IMM, 5, 0, 0, i32::from(first_slot)),
            insn(STORE_H, 2, 5, PORT, 0),
        ];
        fill.extend((PORT + 2..ABI).step_by(2).map(|at| insn(STORE_IMM_H, 2, 0, at, 0)));
        fill.push(insn(STORE_IMM_H, 2, 0, ABI, i32::from(ABI_VERSION)));
        fill.push(insn(LOAD_W, 2, 6, RX_QUEUE_INDEX, 0));
        fill.extend(map_address(1, &map.map));
        fill.extend([
            insn(MOV_IMM, 3, 0, 0, Action::Pass as i32),
            insn(CALL, 0, 0, 0, HELPER_REDIRECT_MAP),
            insn(EXIT, 0, 0, 0, 0),
        ]);
        // Both ways out of it lead to the two instructions behind it.
        let behind = |from: usize| (fill.len() - 1 - from) as i16;
        let no_room = insn(JGT_REG, 4, 3, behind(4), 0);
        let no_meta = insn(JNE_IMM, 0, 0, fill.len() as i16, 0);
        if let Some(place) = fill.get_mut(4) {
            *place = no_room;
        }
        let mut code = vec![
            insn(MOV_REG, 6, 1, 0, 0),
            insn(MOV_IMM, 2, 0, 0, -(META_LEN as i32)),
            insn(CALL, 0, 0, 0, HELPER_ADJUST_META),
            no_meta,
        ];
        code.extend(fill);
        code.extend(finish(Action::Pass));
        Self::load(&code)
    }
}
