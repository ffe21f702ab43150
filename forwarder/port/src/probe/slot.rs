//! An AF_XDP socket that is not bound: it only fills a slot of an XSKMAP, so that a test run of the program
//! takes the path to user space. Invariant: it never receives; to send real frames, bind a separate socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::sys;

#[derive(Debug)]
pub struct SlotSocket(OwnedFd);

impl SlotSocket {
    pub fn new() -> io::Result<Self> {
        sys::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC).map(Self)
    }
}

impl AsFd for SlotSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for SlotSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
