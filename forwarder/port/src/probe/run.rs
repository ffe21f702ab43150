//! Runs of a loaded XDP program on crafted frames (`BPF_PROG_TEST_RUN`).
//! Invariant: the program sees exactly the frame and context given; what it left is returned.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libbpf_sys::{bpf_prog_test_run_opts, bpf_test_run_opts, xdp_md};

/// Longest frame the kernel takes for a run in one buffer with room for metadata in front.
pub const MAX_TEST_FRAME: usize = 3520;

/// Where the frame pretends to come from: a device of the current network namespace, with that
/// receive queue registered for XDP (a veth's peer, or `lo`, which has queue 0).
#[derive(Clone, Copy, Debug, Default)]
pub struct TestCtx {
    pub ingress_ifindex: u32,
    pub rx_queue_index: u32,
}

/// What a program did with a frame.
#[derive(Clone, Debug)]
pub struct TestRun {
    /// `XDP_PASS` and so on.
    pub action: u32,
    /// The metadata it left in front of the frame, if any.
    pub meta: Vec<u8>,
    /// The frame as it left it.
    pub data: Vec<u8>,
    /// Mean over the runs; only steady with many.
    pub duration_ns: u32,
}

/// Runs the program once on a frame.
pub fn test_run(prog: BorrowedFd<'_>, frame: &[u8], ctx: Option<TestCtx>) -> io::Result<TestRun> {
    test_run_repeat(prog, frame, ctx, 1)
}

/// The same on a frame that has this much metadata of another program in front of it (a multiple
/// of 4; the kernel lets no more than 216 bytes stand there).
pub fn test_run_behind(
    prog: BorrowedFd<'_>,
    meta: &[u8],
    frame: &[u8],
    ctx: TestCtx,
) -> io::Result<TestRun> {
    run(prog, &[meta, frame].concat(), Some(ctx), meta.len(), 1)
}

/// Runs the program `repeat` times on one buffer (what a run changes, the next finds changed).
pub fn test_run_repeat(
    prog: BorrowedFd<'_>,
    frame: &[u8],
    ctx: Option<TestCtx>,
    repeat: u32,
) -> io::Result<TestRun> {
    run(prog, frame, ctx, 0, repeat)
}

/// `frame` with `front` bytes of metadata before it.
fn run(
    prog: BorrowedFd<'_>,
    frame: &[u8],
    ctx: Option<TestCtx>,
    front: usize,
    repeat: u32,
) -> io::Result<TestRun> {
    let md_in = ctx.map(|c| xdp_md {
        data: front as u32,
        data_end: frame.len() as u32,
        data_meta: 0,
        ingress_ifindex: c.ingress_ifindex,
        rx_queue_index: c.rx_queue_index,
        egress_ifindex: 0,
    });
    let mut md_out = md_in.unwrap_or_default();
    // Metadata comes back in front of the frame, at most 255 bytes.
    let mut out = vec![0u8; frame.len() + 256];
    let mut opts = bpf_test_run_opts {
        sz: size_of::<bpf_test_run_opts>() as _,
        data_in: frame.as_ptr().cast(),
        data_size_in: frame.len() as u32,
        data_out: out.as_mut_ptr().cast(),
        data_size_out: out.len() as u32,
        repeat: repeat.try_into().unwrap_or(i32::MAX),
        ..Default::default()
    };
    if let Some(md) = &md_in {
        opts.ctx_in = std::ptr::from_ref(md).cast();
        opts.ctx_size_in = size_of::<xdp_md>() as u32;
        opts.ctx_out = std::ptr::from_mut(&mut md_out).cast();
        opts.ctx_size_out = size_of::<xdp_md>() as u32;
    }
    // SAFETY: all pointers are to live buffers of the sizes given beside them.
    let result = unsafe { bpf_prog_test_run_opts(prog.as_raw_fd(), &raw mut opts) };
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    out.truncate(opts.data_size_out as usize);
    // With a context the kernel reports where the frame starts behind the metadata.
    let data = if md_in.is_some() {
        out.split_off((md_out.data as usize).min(out.len()))
    } else {
        std::mem::take(&mut out)
    };
    Ok(TestRun { action: opts.retval, meta: out, data, duration_ns: opts.duration })
}

/// Runs a tcx program on a frame that pretends to have come in at `ifindex`, as a superframe if
/// `gso_size` is not 0; gives its return value and what it left of the frame.
pub fn test_run_skb(
    prog: BorrowedFd<'_>,
    frame: &[u8],
    ifindex: u32,
    gso_size: u32,
) -> io::Result<(i32, Vec<u8>)> {
    // `struct __sk_buff` of linux/bpf.h, with the two fields that are given.
    let mut ctx = [0_u32; 48];
    ctx[10] = ifindex;
    ctx[44] = gso_size;
    let mut out = vec![0u8; frame.len() + 256];
    let mut opts = bpf_test_run_opts {
        sz: size_of::<bpf_test_run_opts>() as _,
        data_in: frame.as_ptr().cast(),
        data_size_in: frame.len() as u32,
        data_out: out.as_mut_ptr().cast(),
        data_size_out: out.len() as u32,
        ctx_in: ctx.as_ptr().cast(),
        ctx_size_in: size_of_val(&ctx) as u32,
        repeat: 1,
        ..Default::default()
    };
    // SAFETY: all pointers are to live buffers of the sizes given beside them.
    let result = unsafe { bpf_prog_test_run_opts(prog.as_raw_fd(), &raw mut opts) };
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    out.truncate(opts.data_size_out as usize);
    Ok((opts.retval.cast_signed(), out))
}

/// Sends a frame `repeat` times through the program as if it had come in from `ifindex`; what it
/// redirects or transmits goes out, what it passes enters the kernel there. Returns when all are
/// through; `batch` (at most 256) is how many the kernel handles at a time.
pub fn live_frames(
    prog: BorrowedFd<'_>,
    frame: &[u8],
    ifindex: u32,
    repeat: u32,
    batch: u32,
) -> io::Result<()> {
    let md = xdp_md {
        data: 0,
        data_end: frame.len() as u32,
        data_meta: 0,
        ingress_ifindex: ifindex,
        rx_queue_index: 0,
        egress_ifindex: 0,
    };
    let mut opts = bpf_test_run_opts {
        sz: size_of::<bpf_test_run_opts>() as _,
        data_in: frame.as_ptr().cast(),
        data_size_in: frame.len() as u32,
        ctx_in: std::ptr::from_ref(&md).cast(),
        ctx_size_in: size_of::<xdp_md>() as u32,
        repeat: repeat.try_into().unwrap_or(i32::MAX),
        flags: libbpf_sys::BPF_F_TEST_XDP_LIVE_FRAMES,
        batch_size: batch.min(256),
        ..Default::default()
    };
    // SAFETY: all pointers are to live buffers of the sizes given beside them.
    let result = unsafe { bpf_prog_test_run_opts(prog.as_raw_fd(), &raw mut opts) };
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}
