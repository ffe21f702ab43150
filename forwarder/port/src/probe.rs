//! Requests to the kernel about XDP: what a device has and can, and runs of a loaded program on crafted frames
//! (`BPF_PROG_TEST_RUN`). Invariant: nothing here changes the system. A program sees exactly the given frame
//! and context, and live frames go only where the program sends them.
//!
//! - [`btf`]: the offsets at which the running kernel keeps what the gate reads of a packet

mod btf;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use libbpf_sys::{
    bpf_prog_test_run_opts, bpf_test_run_opts, bpf_xdp_query, bpf_xdp_query_opts, xdp_md,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

pub use self::btf::{BtfError, KernelFacts};
use crate::sys::checked;

// `NETDEV_XDP_ACT_*` of `linux/netdev.h`.
const BASIC: u64 = 1;
const REDIRECT: u64 = 2;
const RX_SG: u64 = 32;

/// The kernel's answer about one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpFeatures {
    /// Identifier of the attached program; 0: none, or several.
    pub prog_id: u32,
    /// `NETDEV_XDP_ACT_*`; 0: the driver has no native XDP.
    pub features: u64,
}

impl XdpFeatures {
    /// Whether the driver runs programs itself, with redirect.
    pub const fn native(&self) -> bool {
        self.features & (BASIC | REDIRECT) == BASIC | REDIRECT
    }
    /// Whether it hands over frames in several buffers.
    pub const fn multi_buffer(&self) -> bool {
        self.features & RX_SG != 0
    }
}

/// Asks the kernel about a device of the current network namespace.
pub fn xdp_query(ifindex: u32) -> io::Result<XdpFeatures> {
    let mut opts =
        bpf_xdp_query_opts { sz: size_of::<bpf_xdp_query_opts>() as _, ..Default::default() };
    let index = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `opts` lives through the call and contains its own size.
    checked(unsafe { bpf_xdp_query(index, 0, &raw mut opts) })?;
    Ok(XdpFeatures { prog_id: opts.prog_id, features: opts.feature_flags })
}

/// The longest frame that the kernel takes for a run in one buffer with room for metadata in front.
pub const MAX_TEST_FRAME: usize = 3520;

/// The pretended origin of the frame: a device of the current network namespace, with that receive queue
/// registered for XDP (a veth's peer, or `lo`, which has queue 0).
#[derive(Clone, Copy, Debug, Default)]
pub struct TestCtx {
    pub ingress_ifindex: u32,
    pub rx_queue_index: u32,
}

/// The result of a program's run on a frame.
#[derive(Clone, Debug)]
pub struct TestRun {
    /// The action: `XDP_PASS` and so on.
    pub action: u32,
    /// The metadata that the program left in front of the frame, if any.
    pub meta: Vec<u8>,
    /// The frame as the program left it.
    pub data: Vec<u8>,
}

/// Makes an AF_XDP socket that is not bound. It only fills a slot of an XSKMAP, so that a test run takes the
/// path to user space.
pub fn slot_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None)?)
}

/// Runs the program once on a frame.
pub fn test_run(prog: BorrowedFd<'_>, frame: &[u8], ctx: TestCtx) -> io::Result<TestRun> {
    test_run_behind(prog, &[], frame, ctx)
}

/// Runs the program on a frame that has metadata of another program in front of it. Its length must be a
/// multiple of 4; the kernel allows at most 216 bytes.
pub fn test_run_behind(
    prog: BorrowedFd<'_>,
    meta: &[u8],
    frame: &[u8],
    ctx: TestCtx,
) -> io::Result<TestRun> {
    let frame = [meta, frame].concat();
    let before = context(meta.len(), &frame, ctx);
    let mut after = before;
    let mut opts = options(&frame, &before, 1);
    opts.ctx_out = std::ptr::from_mut(&mut after).cast();
    opts.ctx_size_out = size_of::<xdp_md>() as u32;
    let mut meta = run_into_buffer(prog, &frame, &mut opts)?;
    // The kernel reports where the frame starts after the metadata.
    let data = meta.split_off((after.data as usize).min(meta.len()));
    Ok(TestRun { action: opts.retval, meta, data })
}

/// Runs a tcx program on a frame that pretends to have arrived at `ifindex`, as a superframe if `gso_size` is
/// not 0. Returns the program's return value and the frame as it left it.
pub fn test_run_skb(
    prog: BorrowedFd<'_>,
    frame: &[u8],
    ifindex: u32,
    gso_size: u32,
) -> io::Result<(i32, Vec<u8>)> {
    // `struct __sk_buff` of linux/bpf.h, with the two given fields set.
    let mut ctx = [0_u32; 48];
    ctx[10] = ifindex;
    ctx[44] = gso_size;
    let mut opts = options(frame, &ctx, 1);
    let out = run_into_buffer(prog, frame, &mut opts)?;
    Ok((opts.retval.cast_signed(), out))
}

/// Passes a frame `repeat` times through the program as if it had arrived at `ifindex`. Frames that it
/// redirects or transmits are sent; frames that it passes enter the kernel there. Returns when all frames
/// have been processed; `batch` (at most 256) is the number of frames that the kernel handles at a time.
pub fn live_frames(
    prog: BorrowedFd<'_>,
    frame: &[u8],
    ifindex: u32,
    repeat: u32,
    batch: u32,
) -> io::Result<()> {
    let md = context(0, frame, TestCtx { ingress_ifindex: ifindex, rx_queue_index: 0 });
    let mut opts = options(frame, &md, repeat);
    opts.flags = libbpf_sys::BPF_F_TEST_XDP_LIVE_FRAMES;
    opts.batch_size = batch.min(256);
    run_with(prog, &mut opts)
}

fn context(front: usize, frame: &[u8], ctx: TestCtx) -> xdp_md {
    let TestCtx { ingress_ifindex, rx_queue_index } = ctx;
    let (data, data_end) = (front as u32, frame.len() as u32);
    xdp_md { data, data_end, ingress_ifindex, rx_queue_index, ..Default::default() }
}

/// The frame and the context must stay where they are until the run is over.
fn options<C>(frame: &[u8], ctx: &C, repeat: u32) -> bpf_test_run_opts {
    bpf_test_run_opts {
        sz: size_of::<bpf_test_run_opts>() as _,
        data_in: frame.as_ptr().cast(),
        data_size_in: frame.len() as u32,
        ctx_in: std::ptr::from_ref(ctx).cast(),
        ctx_size_in: size_of::<C>() as u32,
        repeat: repeat.try_into().unwrap_or(i32::MAX),
        ..Default::default()
    }
}

/// Returns the frame as the program left it. Metadata is returned in front of it, at most 255 bytes.
fn run_into_buffer(
    prog: BorrowedFd<'_>,
    frame: &[u8],
    opts: &mut bpf_test_run_opts,
) -> io::Result<Vec<u8>> {
    let mut out = vec![0u8; frame.len() + 256];
    opts.data_out = out.as_mut_ptr().cast();
    opts.data_size_out = out.len() as u32;
    run_with(prog, opts)?;
    out.truncate(opts.data_size_out as usize);
    Ok(out)
}

fn run_with(prog: BorrowedFd<'_>, opts: &mut bpf_test_run_opts) -> io::Result<()> {
    // SAFETY: all pointers in `opts` are to live buffers of the sizes given beside them.
    checked(unsafe { bpf_prog_test_run_opts(prog.as_raw_fd(), opts) }).map(drop)
}

#[cfg(test)]
mod tests;
