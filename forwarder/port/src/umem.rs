//! The one UMEM of a process, shared by the sockets of all its ports.
//!
//! Invariant: the socket that registered the UMEM is bound to a device that is never deleted, because sockets
//! can join a UMEM only while that first socket is bound. The socket is an anchor: no program is attached to
//! its device and no frame passes it. The device is `lo` in the network namespace of the calling thread. weir
//! calls this in the namespace of its own pair, where nothing else binds to `lo`; the socket keeps that
//! namespace alive. With a device that can be deleted, the sockets would continue, but no further socket
//! could join the UMEM.
//!
//! Sockets of other namespaces may share it. Each (device, queue) costs the kernel 128 bytes for every frame
//! of the UMEM, whatever the size of its rings. The sizes of fill and completion rings are the UMEM's
//! (libxdp), the same for every socket.

use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use rustix::io::{FdFlags, fcntl_setfd};
use xsk_rs::config::{
    BindFlags, FrameSize, Interface, LibxdpFlags, QueueSize, SocketConfig, UmemConfig,
};
use xsk_rs::socket::SocketCreateError;
use xsk_rs::{CompQueue, FillQueue, FrameDesc, RxQueue, Socket, TxQueue, Umem};

use crate::memory::CHUNK;

/// Frames that a queue's fill ring holds; the same for every socket of a UMEM.
pub const FILL_RING: u32 = 4096;
/// Completions that the kernel can report before it has to wait: more than a transmit ring holds.
const COMPLETION_RING: u32 = 4096;
const ANCHOR: &str = "lo";
/// The anchor's rings are never used.
const ANCHOR_RING: u32 = 2;

/// Why there is no UMEM.
#[derive(Debug, thiserror::Error)]
pub enum UmemError {
    #[error(
        "cannot use {frames} frames of {CHUNK} bytes as AF_XDP memory: {source}{}",
        hint(source)
    )]
    Create { frames: u32, source: io::Error },
    #[error("cannot anchor the AF_XDP memory on {ANCHOR}: {source}{}", hint(source))]
    Anchor { source: io::Error },
    #[error("libxdp laid the AF_XDP memory out in a way we do not know")]
    Layout,
}

pub(crate) fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => " (it takes root, or CAP_NET_RAW and CAP_NET_ADMIN)",
        Some(libc::ENOBUFS) => {
            " (the locked-memory limit is too low: it takes CAP_IPC_LOCK, or a higher `ulimit -l`)"
        }
        Some(libc::EAFNOSUPPORT) => " (this kernel has no AF_XDP: CONFIG_XDP_SOCKETS)",
        Some(libc::EBUSY) => " (another AF_XDP socket is bound there)",
        _ => "",
    }
}

/// The parts of an AF_XDP socket, as xsk-rs returns them.
#[derive(Debug)]
pub struct Rings {
    pub rx: RxQueue,
    pub tx: TxQueue,
    pub fill: FillQueue,
    pub completion: CompQueue,
}

impl Rings {
    pub fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: libxdp keeps the descriptor open as long as any of the socket's queues exists,
        // and the borrow is of a value that contains them.
        unsafe { BorrowedFd::borrow_raw(self.rx.fd().as_raw_fd()) }
    }
}

/// The handle to bind ports with. Cloning shares it; the UMEM lives as long as any clone, pool or port.
#[derive(Clone, Debug)]
pub struct UmemHandle {
    pub(crate) umem: Umem,
    _anchor: Arc<Mutex<Rings>>,
}

impl UmemHandle {
    /// Makes the UMEM and a descriptor for each of its frames.
    pub fn open(frames: u32) -> Result<(Self, Vec<FrameDesc>), UmemError> {
        let create = |source| UmemError::Create { frames, source };
        let invalid = || create(io::Error::from(io::ErrorKind::InvalidInput));
        let count = NonZeroU32::new(frames).ok_or_else(invalid)?;
        let config = UmemConfig::builder()
            .frame_size(FrameSize::new(CHUNK as u32).map_err(|_| invalid())?)
            .fill_queue_size(QueueSize::new(FILL_RING).map_err(|_| invalid())?)
            .comp_queue_size(QueueSize::new(COMPLETION_RING).map_err(|_| invalid())?)
            .build()
            .map_err(|_| invalid())?;
        let (umem, descs) =
            Umem::new(config, count, false).map_err(|error| create(os_error(&error)))?;
        let anchor = bind(&umem, ANCHOR, 0, ANCHOR_RING, ANCHOR_RING)
            .map_err(|source| UmemError::Anchor { source })?;
        Ok((Self { umem, _anchor: Arc::new(Mutex::new(anchor)) }, descs))
    }

    /// Binds a socket that shares the UMEM. It has the anchor's mode: copy, with multi-buffer.
    pub fn bind(&self, name: &str, queue: u32, rx_ring: u32, tx_ring: u32) -> io::Result<Rings> {
        bind(&self.umem, name, queue, rx_ring, tx_ring)
    }
}

fn bind(umem: &Umem, name: &str, queue: u32, rx_ring: u32, tx_ring: u32) -> io::Result<Rings> {
    let size = |frames| QueueSize::new(frames).map_err(io::Error::other);
    let name: Interface = name.parse().map_err(io::Error::other)?;
    let config = SocketConfig::builder()
        .rx_queue_size(size(rx_ring)?)
        .tx_queue_size(size(tx_ring)?)
        // weir's program is attached by the control side, after every socket is in its map.
        .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
        // Set on the anchor only: the kernel allows no flags on sockets that join a UMEM.
        .bind_flags(BindFlags::XDP_COPY | BindFlags::XDP_USE_NEED_WAKEUP | BindFlags::XDP_USE_SG)
        .build();
    // SAFETY: libxdp loads no program, as the contract requires.
    let made = unsafe { Socket::new(config, umem, &name, queue) };
    let (tx, rx, rings) = made.map_err(|error: SocketCreateError| os_error(&error))?;
    // A pair of rings is returned for the first socket on a queue; weir never binds a second.
    let (fill, completion) = rings.ok_or_else(|| io::Error::from_raw_os_error(libc::EBUSY))?;
    let rings = Rings { rx, tx, fill, completion };
    // A child process that inherited the socket would keep the queue bound.
    fcntl_setfd(rings.fd(), FdFlags::CLOEXEC)?;
    Ok(rings)
}

/// Extracts the kernel's error from xsk-rs's errors.
fn os_error(error: &(dyn Error + 'static)) -> io::Error {
    let code = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    match code {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error.to_string()),
    }
}
