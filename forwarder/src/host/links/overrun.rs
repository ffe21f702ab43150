//! Emptying a socket that the kernel has dropped notifications of.
//! Invariant: it ends, however fast notifications come.
//!
//! From an overrun on, the kernel drops everything for that socket, without another ENOBUFS, until
//! the socket has been empty once (`NETLINK_S_CONGESTED` in af_netlink.c). So it has to be emptied
//! before everything is read afresh. Where notifications come as fast as they are taken out, it never
//! looks empty; but nothing was added while the kernel dropped, so after a receive buffer's worth it
//! has been empty in between, and what is found from there on is not lost.

use std::io;

use nix::libc;

/// Takes out what is there, at most a buffer of so many bytes and a message. `receive` gives the
/// bytes of one datagram.
pub(super) fn empty(
    buffer_bytes: usize,
    mut receive: impl FnMut() -> io::Result<usize>,
) -> io::Result<()> {
    let mut taken = 0;
    while taken <= buffer_bytes {
        match receive() {
            // The buffer's size counts more than the bytes, so this is late rather than early.
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
