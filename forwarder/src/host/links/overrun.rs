//! Empties a socket after the kernel has dropped notifications for it. Invariant: this ends, however
//! fast notifications come.
//!
//! After an overrun, the kernel drops everything for that socket, without another ENOBUFS, until the
//! socket has been empty once (`NETLINK_S_CONGESTED` in af_netlink.c). So it must be emptied before
//! everything is read again. If notifications arrive as fast as they are received, the socket never
//! looks empty. But the kernel added nothing while it dropped; so once a receive buffer's worth has
//! been read, the socket has been empty in between, and later notifications are not lost.

use std::io;

use nix::libc;

/// Reads until the socket is empty, at most a buffer of that many bytes and one message. `receive`
/// returns the size of one datagram.
pub(super) fn empty(
    buffer_bytes: usize,
    mut receive: impl FnMut() -> io::Result<usize>,
) -> io::Result<()> {
    let mut taken = 0;
    while taken <= buffer_bytes {
        match receive() {
            // The buffer's size counts more than the bytes, so this stops late rather than early.
            Ok(bytes) => taken += bytes.max(1),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOBUFS | libc::EINTR) => taken += 1,
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
