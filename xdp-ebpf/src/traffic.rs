//! Small programs that send, count, time and divert test traffic. They are an object of their own, for `weir
//! probe --raw`, the tests and the experiments; weir's own data path has none of them.
//!
//! Each program is told what to do by the globals below, which are constants once it is loaded.
#![no_std]
#![no_main]

use aya_ebpf::{
    Global,
    bindings::{
        BPF_F_MMAPABLE, TC_ACT_OK, TC_ACT_SHOT, xdp_action::{XDP_DROP, XDP_PASS},
    },
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{
            bpf_ktime_get_ns, bpf_redirect, bpf_skb_vlan_push, bpf_xdp_adjust_meta,
            bpf_xdp_get_buff_len,
        },
    },
    macros::{classifier, map, raw_tracepoint, xdp},
    maps::{Array, PerCpuArray, ProgramArray, XskMap},
    programs::{RawTracePointContext, TcContext, XdpContext},
};
use weir_abi::{ABI_VERSION, META_LEN};

const TCX_NEXT: i32 = -1;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ETHERNET: u32 = 14;
/// Where the ports of TCP or UDP over IPv4 without options stand.
const PORTS_AT: usize = 14 + 20;
/// Where a stamp begins, and what it begins with.
const STAMP_AT: usize = 14 + 20 + 8;
const STAMP_MAGIC: u16 = 0x7765;
const DELAYS_LEN: u32 = 1 << 16;
/// The most looks at the clock for one frame: some 20 us.
const LOOKS: u32 = 1000;

/// The frames that `count`, `matching`, `next_flow` and `in_turn` have counted.
#[map]
static COUNT: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
/// What `in_turn` writes over the first 64 bytes of frames, one entry after the other.
#[map]
static FRONTS: Array<[u64; 8]> = Array::with_max_entries(256, 0);
/// Sockets by queue.
#[map]
static SOCKETS: XskMap = XskMap::with_max_entries(2, 0);
/// By source: frames, bytes and segments.
#[map]
static COUNTS: PerCpuArray<[u64; 3]> = PerCpuArray::with_max_entries(256, 0);
/// By a datagram's number modulo the length: how long it took, in nanoseconds.
#[map]
static DELAYS: Array<u64> = Array::with_max_entries(DELAYS_LEN, BPF_F_MMAPABLE);
/// Events of all processes, and of the process `PROCESS`.
#[map]
static EVENTS: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);
/// The program that `tag_then` calls.
#[map]
static NEXT: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// The XDP action for a frame.
#[unsafe(no_mangle)]
static ACTION: Global<u32> = Global::new(XDP_PASS);
/// The XDP action for a frame that does not match.
#[unsafe(no_mangle)]
static OTHERWISE: Global<u32> = Global::new(XDP_PASS);
/// Two patterns: an offset, and four bytes there in the machine's order.
#[unsafe(no_mangle)]
static PATTERNS: Global<[[u32; 2]; 2]> = Global::new([[0; 2]; 2]);
/// Number of flows or fronts.
#[unsafe(no_mangle)]
static FLOWS: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
static IFINDEX: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static PROCESS: Global<u32> = Global::new(0);
/// A VLAN tag: protocol in network order, and its identifier with the priority.
#[unsafe(no_mangle)]
static TAG: Global<[u32; 2]> = Global::new([0; 2]);
/// 0: sources are told apart by the last byte of the sender's MAC, else by that of the IP destination.
#[unsafe(no_mangle)]
static BY_DESTINATION: Global<u32> = Global::new(0);
/// The source whose stamped datagrams are timed; beyond 255: none.
#[unsafe(no_mangle)]
static TIMED: Global<u32> = Global::new(256);
/// The source whose frames pass; 256: all, beyond: none.
#[unsafe(no_mangle)]
static KEEP: Global<u32> = Global::new(256);
#[unsafe(no_mangle)]
static MTU: Global<u32> = Global::new(1500);
/// The time that a tally spends on each frame, in nanoseconds.
#[unsafe(no_mangle)]
static SPENDS: Global<u32> = Global::new(0);

/// A frame's linear part.
#[derive(Clone, Copy)]
struct Bytes {
    start: usize,
    end: usize,
}

impl Bytes {
    fn of(ctx: &XdpContext) -> Self {
        Self { start: ctx.data(), end: ctx.data_end() }
    }

    #[inline(always)]
    fn at<T: Copy>(self, offset: usize) -> Option<T> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: it ends at or before the frame's end.
        Some(unsafe { (at as *const T).read_unaligned() })
    }
}

/// Adds one to the count, and gives it.
#[inline(always)]
fn count_one() -> u64 {
    let Some(count) = COUNT.get_ptr_mut(0) else { return 0 };
    // SAFETY: a per-CPU value, and no other program of this CPU runs meanwhile.
    unsafe {
        *count += 1;
        *count
    }
}

/// Counts every frame.
#[xdp]
pub fn count(_ctx: XdpContext) -> u32 {
    count_one();
    ACTION.load()
}

/// Counts the frames that have one of the patterns.
#[xdp]
pub fn matching(ctx: XdpContext) -> u32 {
    let bytes = Bytes::of(&ctx);
    let [[first_at, first], [second_at, second]] = PATTERNS.load();
    if bytes.at(first_at as usize) == Some(first) || bytes.at(second_at as usize) == Some(second) {
        count_one();
        return ACTION.load();
    }
    OTHERWISE.load()
}

/// Makes every frame the next of `FLOWS` flows: its ports become the two halves of a number that counts
/// up on each CPU. The checksum stays as it is.
#[xdp]
pub fn next_flow(ctx: XdpContext) -> u32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    let number = (count_one() % u64::from(FLOWS.load().max(1))) as u32;
    if start + PORTS_AT + 4 <= end {
        // SAFETY: checked just above.
        unsafe { ((start + PORTS_AT) as *mut u32).write_unaligned(number) };
    }
    ACTION.load()
}

/// Writes the next front over every frame's beginning; a frame that is too short is dropped.
#[xdp]
pub fn in_turn(ctx: XdpContext) -> u32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    let turn = (count_one() % u64::from(FLOWS.load().max(1))) as u32;
    let Some(front) = FRONTS.get(turn) else { return XDP_DROP };
    if start + size_of_val(front) > end {
        return XDP_DROP;
    }
    // SAFETY: checked just above.
    unsafe { (start as *mut [u64; 8]).write_unaligned(*front) };
    ACTION.load()
}

/// Sends every frame out of another interface.
#[xdp]
pub fn redirect(_ctx: XdpContext) -> u32 {
    // SAFETY: takes numbers.
    unsafe { bpf_redirect(IFINDEX.load(), 0) as u32 }
}

/// Hands every frame to the socket of its queue, or passes it where there is none.
#[xdp]
pub fn to_socket(ctx: XdpContext) -> u32 {
    SOCKETS.redirect(ctx.rx_queue_index(), u64::from(XDP_PASS)).unwrap_or(XDP_PASS)
}

/// The same, with weir's metadata in front, as if the port whose slot is the queue's number had received it.
#[xdp]
pub fn receive(ctx: XdpContext) -> u32 {
    let queue = ctx.rx_queue_index();
    let len = (ctx.data_end() - ctx.data()) as u64;
    // SAFETY: `ctx` is the context this program was called with.
    if unsafe { bpf_xdp_adjust_meta(ctx.ctx, -(META_LEN as i32)) } != 0 {
        return XDP_PASS;
    }
    let (meta, data) = (ctx.metadata(), ctx.data());
    if meta + META_LEN > data {
        return XDP_PASS;
    }
    let words = [0, len << 32, u64::from(queue & 0xffff), u64::from(ABI_VERSION) << 48];
    // SAFETY: checked just above.
    unsafe { (meta as *mut [u64; 4]).write_unaligned(words) };
    SOCKETS.redirect(queue, u64::from(XDP_PASS)).unwrap_or(XDP_PASS)
}

/// Counts every frame that is not for a group by its source, and times the frames of one source. `len` is
/// the length of the whole frame. Gives whether the frame passes.
#[inline(always)]
fn tally(bytes: Bytes, len: u32) -> bool {
    let source = source(bytes);
    if let Some(source) = source {
        add(source, bytes, len);
        if source == TIMED.load() {
            note_delay(bytes);
        }
    }
    spend();
    let keep = KEEP.load();
    keep == 256 || keep == source.unwrap_or(0)
}

/// Looks at the clock until `SPENDS` is over, [`LOOKS`] times at most.
#[inline(always)]
fn spend() {
    let spends = u64::from(SPENDS.load());
    if spends == 0 {
        return;
    }
    // SAFETY: takes nothing.
    let begin = unsafe { bpf_ktime_get_ns() };
    for _ in 0..LOOKS {
        // SAFETY: as above.
        if unsafe { bpf_ktime_get_ns() } - begin >= spends {
            return;
        }
    }
}

#[inline(always)]
fn source(bytes: Bytes) -> Option<u32> {
    // Read all at once: the verifier would not accept a check of the frame's first byte alone.
    let header: [u8; 14] = bytes.at(0)?;
    if header[0] & 1 != 0 {
        return None;
    }
    if BY_DESTINATION.load() == 0 {
        return Some(u32::from(header[11]));
    }
    let last = match u16::from_be_bytes([header[12], header[13]]) {
        IPV4 => bytes.at::<u8>(14 + 19)?,
        IPV6 => bytes.at::<u8>(14 + 39)?,
        _ => return None,
    };
    Some(u32::from(last))
}

/// A frame longer than the MTU allows was merged from TCP segments that filled the MTU. Each had headers of
/// its own: IP without options, and TCP with timestamps.
#[inline(always)]
fn add(source: u32, bytes: Bytes, len: u32) {
    let mut further = 0;
    let mut headers = ETHERNET + 20 + 32;
    let mtu = MTU.load();
    if len > mtu + ETHERNET {
        if bytes.at(12).map(u16::from_be) == Some(IPV6) {
            headers += 20;
        }
        let segment = (mtu + ETHERNET).saturating_sub(headers).max(1);
        further = (len - headers - 1) / segment;
    }
    let Some(counts) = COUNTS.get_ptr_mut(source) else { return };
    // SAFETY: a per-CPU value, and no other program of this CPU runs meanwhile.
    unsafe {
        (*counts)[0] += 1;
        (*counts)[1] += u64::from(len + further * headers);
        (*counts)[2] += u64::from(further + 1);
    }
}

#[inline(always)]
fn note_delay(bytes: Bytes) {
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    let Some([magic, _, high, low]) = bytes.at::<[u16; 4]>(STAMP_AT) else { return };
    let Some(sent) = bytes.at::<u64>(STAMP_AT + 8) else { return };
    if u16::from_be(magic) != STAMP_MAGIC {
        return;
    }
    let number = u32::from(u16::from_be(high)) << 16 | u32::from(u16::from_be(low));
    if let Some(delay) = DELAYS.get_ptr_mut(number % DELAYS_LEN) {
        // SAFETY: one word of the map.
        unsafe { *delay = now.wrapping_sub(u64::from_be(sent)) };
    }
}

#[xdp(frags)]
pub fn tally_xdp(ctx: XdpContext) -> u32 {
    // SAFETY: `ctx` is the context this program was called with.
    let len = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as u32;
    if tally(Bytes::of(&ctx), len) { XDP_PASS } else { XDP_DROP }
}

#[classifier]
pub fn tally_tcx(ctx: TcContext) -> i32 {
    let bytes = Bytes { start: ctx.data(), end: ctx.data_end() };
    if tally(bytes, ctx.len()) { TCX_NEXT } else { TC_ACT_SHOT }
}

#[inline(always)]
fn push_tag(ctx: &TcContext) {
    let [proto, tci] = TAG.load();
    // SAFETY: `ctx` is the context this program was called with.
    unsafe { bpf_skb_vlan_push(ctx.skb.skb, proto as u16, tci as u16) };
}

/// Puts a tag beside every frame, as a guest's VLAN device does.
#[classifier]
pub fn tag_beside(ctx: TcContext) -> i32 {
    push_tag(&ctx);
    TC_ACT_OK
}

/// Puts a tag beside a frame and goes on to another program, whose verdict holds.
#[classifier]
pub fn tag_then(ctx: TcContext) -> i32 {
    push_tag(&ctx);
    // SAFETY: nothing of this program is needed any more.
    unsafe { NEXT.tail_call(&ctx, 0) };
    // Reached only if the call fails: no program returns this number.
    99
}

/// Counts what happens at a trace point.
#[raw_tracepoint]
pub fn event(_ctx: RawTracePointContext) -> i32 {
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(events) = EVENTS.get_ptr_mut(0) else { return 0 };
    // SAFETY: a per-CPU value. If another trace point adds to it meanwhile, a count may be lost.
    unsafe {
        (*events)[0] += 1;
        if process == PROCESS.load() {
            (*events)[1] += 1;
        }
    }
    0
}

/// A panic that can be reached is an endless loop, which the verifier refuses.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Helpers that only a GPL program may call are among those used.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
