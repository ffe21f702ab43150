//! The packet socket by which chains and superframes leave. It takes one call per packet, with the frames
//! where they are in the UMEM, and a virtio-net header that says what is left to do. Single frames leave by
//! it as well, many per call, where a device cannot push back.
//!
//! Invariant: after any answer but `Sent` the port still has the whole packet.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use weir_core::Reason;
use weir_core::offload::VnetHeader;

use crate::packet::{MAX_FRAMES, Packet};
use crate::pool::Pool;
use crate::sys;

/// The bytes of superframes, some 256 of them, that this socket may have waiting in devices.
const SEND_BUFFER: libc::c_int = 32 << 20;
/// The most frames in one call; as many as a batch for a ring.
const AT_ONCE: usize = 64;

/// The result of sending a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent,
    /// The device or the socket's buffer is full. (The answer is the same if the device always drops it.)
    Busy,
    /// The packet will not be taken: it is longer than the device takes, or refused for another reason.
    Lost(Reason),
    Down,
}

#[derive(Debug)]
pub(crate) struct VnetSocket {
    fd: OwnedFd,
    ifindex: u32,
}

impl VnetSocket {
    /// Opens a socket that only sends, to this interface.
    pub(crate) fn open(ifindex: u32) -> io::Result<Self> {
        let fd = sys::packet_socket(ifindex)?;
        sys::set_int(fd.as_fd(), libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        sys::set_int(fd.as_fd(), libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
        sys::set_send_buffer(fd.as_fd(), SEND_BUFFER)?;
        Ok(Self { fd, ifindex })
    }

    /// Whether the device is up and has a carrier. The answer may be a second out of date. An interface that
    /// is gone has no carrier.
    pub(crate) fn has_carrier(&self) -> bool {
        self.has_flag(libc::IFF_RUNNING)
    }

    /// Whether the device exists and is up.
    pub(crate) fn is_up(&self) -> bool {
        self.has_flag(libc::IFF_UP)
    }

    fn has_flag(&self, flag: libc::c_int) -> bool {
        sys::interface_flags(self.fd.as_fd(), self.ifindex).is_ok_and(|flags| flags & flag != 0)
    }

    pub(crate) fn send(&self, pool: &Pool, packet: &Packet, header: &VnetHeader) -> Outcome {
        let header = header.to_bytes();
        let mut parts = [IoSlice::new(&[]); MAX_FRAMES + 1];
        let mut count = 0;
        let bytes = std::iter::once(&header[..]).chain(pool.chunks(packet));
        for (part, bytes) in parts.iter_mut().zip(bytes) {
            *part = IoSlice::new(bytes);
            count += 1;
        }
        let parts = parts.get(..count).unwrap_or_default();
        let mut control = SendAncillaryBuffer::default();
        match sendmsg(&self.fd, parts, &mut control, SendFlags::DONTWAIT) {
            Ok(_) => Outcome::Sent,
            Err(errno) => outcome(errno.raw_os_error()),
        }
    }

    /// Sends single, finished frames that the caller owns according to the pool's table, in order. Returns
    /// how many were sent, and the outcome of the first that was not. If that is `Sent`, either all were
    /// sent, or the next call returns the outcome.
    pub(crate) fn send_frames(&self, pool: &Pool, frames: &[u32]) -> (usize, Outcome) {
        let header = VnetHeader::default().to_bytes();
        let part = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let mut parts = [[part; 2]; AT_ONCE];
        // SAFETY: zeros are valid message headers: no names, no control data.
        let mut messages: [libc::mmsghdr; AT_ONCE] = unsafe { std::mem::zeroed() };
        let mut count = 0;
        for ((message, parts), &idx) in messages.iter_mut().zip(&mut parts).zip(frames) {
            let [first, second] = parts;
            let bytes = pool.bytes_of(idx);
            // The kernel only reads both.
            first.iov_base = header.as_ptr().cast_mut().cast();
            first.iov_len = header.len();
            second.iov_base = bytes.as_ptr().cast_mut().cast();
            second.iov_len = bytes.len();
            message.msg_hdr.msg_iov = parts.as_mut_ptr();
            message.msg_hdr.msg_iovlen = parts.len() as _;
            count += 1;
        }
        // SAFETY: the messages' parts point at the header and at frames that the caller owns, all alive
        // during the call, and none is written to; `count` messages are filled in.
        let sent = unsafe {
            libc::sendmmsg(
                self.fd.as_raw_fd(),
                messages.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
            )
        };
        match usize::try_from(sent) {
            Ok(sent) => (sent, Outcome::Sent),
            Err(_) => (0, outcome(sys::last_errno())),
        }
    }
}

fn outcome(errno: i32) -> Outcome {
    match errno {
        // EAGAIN: the socket's buffer is full. ENOBUFS: the device's queue is, for sockets that bypass
        // qdiscs.
        libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR => Outcome::Busy,
        libc::EMSGSIZE => Outcome::Lost(Reason::MtuExceeded),
        libc::ENETDOWN | libc::ENXIO | libc::ENODEV => Outcome::Down,
        _ => Outcome::Lost(Reason::TxError),
    }
}

#[cfg(test)]
mod tests;
