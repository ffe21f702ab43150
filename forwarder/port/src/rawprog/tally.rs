//! Counts frames and bytes by the last byte of one of their addresses, and how long stamped
//! datagrams took to get here, in the kernel: no receiver has to run to be measured.
//!
//! Invariant: every frame for one address is counted once and by its length on the wire, whether it
//! comes alone or merged with others; what is for a group, as the guests' own kernels send it now and
//! then, is not counted. A delay is taken where the program runs, so that it holds no waking up.

use super::{
    ADD_IMM, Action, CALL, EXIT, HELPER_LOOKUP, Hook, JEQ_IMM, JGT_REG, JNE_IMM, LOAD_DW, LOAD_W,
    MOV_IMM, MOV_REG, Program, STORE_DW, STORE_W, create_map, insn, load_as, map_address,
    possible_cores, read_elem,
};
use std::io;
use std::os::fd::OwnedFd;

/// Sources told apart: all that a last byte can be.
const SOURCES: u32 = 256;
/// Delays kept: by the datagram's number modulo this.
const DELAYS: u32 = 1 << 16;

/// Where the ethertype stands, those that have a destination address, and where its last byte is.
const ETHERTYPE_AT: i16 = 12;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const LAST_OF_V4: i16 = 14 + 19;
const LAST_OF_V6: i16 = 14 + 39;

/// Ethernet, IPv4 without options, UDP: where a stamp begins.
const STAMP_AT: i16 = 14 + 20 + 8;
const STAMP_LEN: i16 = 16;
/// `payload::Stamp` begins with this.
const MAGIC: u16 = 0x7765;

const ETHERNET: i32 = 14;
/// Of IP without options, and TCP with timestamps.
const HEADERS_V4: i32 = 20 + 32;
const HEADERS_V6: i32 = 40 + 32;

/// A frame longer than this MTU allows was merged from TCP segments that filled it, each with
/// headers of its own. From its length in r1: how many segments besides the first in r1, and their
/// headers' bytes in r2.
fn further(mtu: i32, headers: i32) -> [u64; 4] {
    let segment = (mtu - headers).max(1);
    let headers = ETHERNET + headers;
    [
        insn(ADD_IMM, 1, 0, 0, -(headers + 1)),
        insn(DIV_IMM, 1, 0, 0, segment),
        insn(MOV_REG, 2, 1, 0, 0),
        insn(MUL_IMM, 2, 0, 0, headers),
    ]
}

const ADD_REG: u8 = 0x0f;
const JUMP: u8 = 0x05;
const MUL_IMM: u8 = 0x27;
const DIV_IMM: u8 = 0x37;
const SUB_REG: u8 = 0x1f;
const AND_IMM: u8 = 0x57;
const TO_BE: u8 = 0xdc;
const LOAD_B: u8 = 0x71;
const LOAD_H: u8 = 0x69;
const JLE_IMM: u8 = 0xb5;
const HELPER_KTIME: i32 = 5;
const HELPER_BUFF_LEN: i32 = 188;

/// What came from one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// A merged frame is one.
    pub frames: u64,
    /// On the wire, without the trailer.
    pub bytes: u64,
    /// Frames on the wire: a merged one is as many as it was made of.
    pub segments: u64,
}

/// The numbers a [`Program::tally`] keeps.
#[derive(Debug)]
pub struct Tally {
    counts: OwnedFd,
    delays: OwnedFd,
    cores: usize,
}

/// Whose last byte tells the sources apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    SourceMac,
    /// The IP address that a frame is for: it tells ways apart that end at one host, each at an
    /// address of its own, and come to it through one neighbour. What is no IP, or has a tag, is
    /// not counted then, and of no source.
    DestinationAddress,
}

/// Which sources' frames go on to the stack; all others end at the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    All,
    Only(u8),
    None,
}

impl Tally {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            counts: create_map(libbpf_sys::BPF_MAP_TYPE_PERCPU_ARRAY, 24, SOURCES)?,
            delays: create_map(libbpf_sys::BPF_MAP_TYPE_ARRAY, 8, DELAYS)?,
            cores: possible_cores()?,
        })
    }

    /// What has come from the source so far.
    pub fn from(&self, source: u8) -> io::Result<Count> {
        let mut values = vec![0_u64; 3 * self.cores];
        read_elem(&self.counts, u32::from(source), &mut values)?;
        let mut count = Count::default();
        for core in values.chunks_exact(3) {
            if let [frames, bytes, segments] = core {
                count.frames += frames;
                count.bytes += bytes;
                count.segments += segments;
            }
        }
        Ok(count)
    }

    /// How long the datagrams numbered `numbers` of the timed source took, of those that came.
    pub fn delays_ns(&self, numbers: std::ops::Range<u32>) -> io::Result<Vec<u64>> {
        let mut delays = Vec::new();
        for number in numbers {
            let mut value = [0_u64];
            read_elem(&self.delays, number % DELAYS, &mut value)?;
            delays.extend(value.into_iter().filter(|ns| *ns != 0));
        }
        Ok(delays)
    }
}

/// What the kernel hands to a program: where the frame's addresses stand in it, how its length is
/// found, and what the program answers.
#[derive(Clone, Copy)]
struct Context {
    data: i16,
    data_end: i16,
    /// Leaves it in r8; the context is in r6.
    length: [u64; 3],
    pass: i32,
    drop: i32,
}

impl Context {
    fn of(hook: Hook) -> Self {
        match hook {
            // `struct xdp_md`
            Hook::Skb | Hook::Native => Self {
                data: 0,
                data_end: 4,
                length: [
                    insn(MOV_REG, 1, 6, 0, 0),
                    insn(CALL, 0, 0, 0, HELPER_BUFF_LEN),
                    insn(MOV_REG, 8, 0, 0, 0),
                ],
                pass: Action::Pass as i32,
                drop: Action::Drop as i32,
            },
            // `struct __sk_buff`, TCX_NEXT and TCX_DROP
            Hook::Tcx => Self {
                data: 76,
                data_end: 80,
                length: [
                    insn(MOV_REG, 1, 6, 0, 0),
                    insn(LOAD_W, 8, 6, 0, 0),
                    insn(MOV_IMM, 0, 0, 0, 0),
                ],
                pass: -1,
                drop: 2,
            },
        }
    }
}

/// Code with jumps to its end that are filled in when the end is known.
#[derive(Default)]
struct Code {
    insns: Vec<u64>,
    leaves: Vec<usize>,
}

impl Code {
    fn add(&mut self, insns: impl IntoIterator<Item = u64>) {
        self.insns.extend(insns);
    }

    /// A conditional jump to wherever [`Code::here`] is called next.
    fn leave(&mut self, op: u8, dst: u8, src: u8, imm: i32) {
        self.leaves.push(self.insns.len());
        self.insns.push(insn(op, dst, src, 0, imm));
    }

    fn here(&mut self) {
        let end = self.insns.len();
        for at in self.leaves.drain(..) {
            if let Some(slot) = self.insns.get_mut(at) {
                *slot |= insn(0, 0, 0, (end - at - 1) as i16, 0);
            }
        }
    }
}

impl Program {
    /// Tallies every frame that is not for a group; of the source `timed` it also notes how long
    /// stamped datagrams took. What is longer than a frame of this MTU counts as merged. It is for
    /// this hook only.
    pub fn tally(
        tally: &Tally,
        by: By,
        timed: Option<u8>,
        keep: Keep,
        mtu: u16,
        hook: Hook,
    ) -> io::Result<Self> {
        let (mtu, context) = (i32::from(mtu), Context::of(hook));
        // r6: the context, r7: the source, r8: bytes on the wire, r9: the type, then the segments,
        // then the time.
        let mut code = Code::default();
        code.add([
            insn(MOV_REG, 6, 1, 0, 0),
            insn(MOV_IMM, 7, 0, 0, 0),
            insn(LOAD_W, 2, 6, context.data, 0),
            insn(LOAD_W, 3, 6, context.data_end, 0),
            insn(MOV_REG, 4, 2, 0, 0),
            insn(ADD_IMM, 4, 0, 0, 14),
        ]);
        // Never true: the kernel accepts no shorter frame. The verifier wants to see it checked.
        code.leave(JGT_REG, 4, 3, 0);
        if by == By::SourceMac {
            code.add([insn(LOAD_B, 7, 2, 11, 0)]);
        }
        code.add([insn(LOAD_B, 1, 2, 0, 0), insn(AND_IMM, 1, 0, 0, 1)]);
        code.leave(JNE_IMM, 1, 0, 0);
        if by == By::DestinationAddress {
            destination(&mut code);
        }
        code.add([insn(LOAD_H, 9, 2, ETHERTYPE_AT, 0), insn(STORE_W, 10, 7, -4, 0)]);
        code.add(context.length);
        code.add([
            insn(MOV_IMM, 1, 0, 0, 0),
            insn(JLE_IMM, 8, 0, 12, mtu + ETHERNET),
            insn(MOV_REG, 1, 8, 0, 0),
            insn(JEQ_IMM, 9, 0, 5, i32::from(IPV6.to_be())),
        ]);
        code.add(further(mtu, HEADERS_V4));
        code.add([insn(JUMP, 0, 0, 4, 0)]);
        code.add(further(mtu, HEADERS_V6));
        code.add([
            insn(ADD_REG, 8, 2, 0, 0),
            insn(MOV_REG, 9, 1, 0, 0),
            insn(ADD_IMM, 9, 0, 0, 1),
            insn(MOV_REG, 2, 10, 0, 0),
            insn(ADD_IMM, 2, 0, 0, -4),
        ]);
        code.add(map_address(1, &tally.counts));
        code.add([
            insn(CALL, 0, 0, 0, HELPER_LOOKUP),
            insn(JEQ_IMM, 0, 0, 9, 0),
            insn(LOAD_DW, 1, 0, 0, 0),
            insn(ADD_IMM, 1, 0, 0, 1),
            insn(STORE_DW, 0, 1, 0, 0),
            insn(LOAD_DW, 1, 0, 8, 0),
            insn(ADD_REG, 1, 8, 0, 0),
            insn(STORE_DW, 0, 1, 8, 0),
            insn(LOAD_DW, 1, 0, 16, 0),
            insn(ADD_REG, 1, 9, 0, 0),
            insn(STORE_DW, 0, 1, 16, 0),
        ]);
        if let Some(timed) = timed {
            note_delay(&mut code, tally, timed, context);
        }
        code.here();
        let (yes, no) = (context.pass, context.drop);
        code.add(match keep {
            Keep::All => vec![insn(MOV_IMM, 0, 0, 0, yes)],
            Keep::None => vec![insn(MOV_IMM, 0, 0, 0, no)],
            Keep::Only(source) => vec![
                insn(MOV_IMM, 0, 0, 0, no),
                insn(JNE_IMM, 7, 0, 1, i32::from(source)),
                insn(MOV_IMM, 0, 0, 0, yes),
            ],
        });
        code.add([insn(EXIT, 0, 0, 0, 0)]);
        match hook {
            Hook::Skb | Hook::Native => Self::load_multi_buffer(&code.insns),
            Hook::Tcx => {
                let fd = load_as(libbpf_sys::BPF_PROG_TYPE_SCHED_CLS, &code.insns, 0)?;
                Ok(Self { fd })
            }
        }
    }
}

/// Makes the last byte of the IP address that the frame is for the source; leaves if it has none.
fn destination(code: &mut Code) {
    // `LOAD` instructions; the frame lies from r2 to r3.
    let load = |code: &mut Code, at: i16| {
        code.add([insn(MOV_REG, 4, 2, 0, 0), insn(ADD_IMM, 4, 0, 0, i32::from(at) + 1)]);
        code.leave(JGT_REG, 4, 3, 0);
        code.add([insn(LOAD_B, 7, 2, at, 0)]);
    };
    const LOAD: i16 = 4;
    code.add([
        insn(LOAD_H, 1, 2, ETHERTYPE_AT, 0),
        insn(JEQ_IMM, 1, 0, 1 + LOAD + 1, i32::from(IPV6.to_be())),
    ]);
    code.leave(JNE_IMM, 1, 0, i32::from(IPV4.to_be()));
    load(code, LAST_OF_V4);
    code.add([insn(JUMP, 0, 0, LOAD, 0)]);
    load(code, LAST_OF_V6);
}

/// Leaves at the first sign that the frame is no stamped datagram of the timed source.
fn note_delay(code: &mut Code, tally: &Tally, timed: u8, context: Context) {
    code.leave(JNE_IMM, 7, 0, i32::from(timed));
    code.add([
        insn(CALL, 0, 0, 0, HELPER_KTIME),
        insn(MOV_REG, 9, 0, 0, 0),
        insn(LOAD_W, 2, 6, context.data, 0),
        insn(LOAD_W, 3, 6, context.data_end, 0),
        insn(MOV_REG, 4, 2, 0, 0),
        insn(ADD_IMM, 4, 0, 0, i32::from(STAMP_AT + STAMP_LEN)),
    ]);
    code.leave(JGT_REG, 4, 3, 0);
    code.add([insn(LOAD_H, 1, 2, STAMP_AT, 0)]);
    code.leave(JNE_IMM, 1, 0, i32::from(MAGIC.to_be()));
    code.add([
        insn(LOAD_W, 1, 2, STAMP_AT + 4, 0),
        insn(TO_BE, 1, 0, 0, 32),
        insn(AND_IMM, 1, 0, 0, DELAYS as i32 - 1),
        insn(STORE_W, 10, 1, -4, 0),
        insn(LOAD_DW, 1, 2, STAMP_AT + 8, 0),
        insn(TO_BE, 1, 0, 0, 64),
        insn(SUB_REG, 9, 1, 0, 0),
        insn(MOV_REG, 2, 10, 0, 0),
        insn(ADD_IMM, 2, 0, 0, -4),
    ]);
    code.add(map_address(1, &tally.delays));
    code.add([insn(CALL, 0, 0, 0, HELPER_LOOKUP)]);
    code.leave(JEQ_IMM, 0, 0, 0);
    code.add([insn(STORE_DW, 0, 9, 0, 0)]);
}
