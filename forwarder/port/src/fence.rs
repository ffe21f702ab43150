//! The socket that sends fences: see the program `weir_fence`.
//!
//! Invariant: a fence that was sent is in the backlog of the CPU that the caller runs on, or has left it.

use std::io;
use std::os::fd::OwnedFd;

use weir_abi::maps::FENCE_ETHERTYPE;

use crate::sys;

/// The shortest frame that every device takes.
const LEN: usize = 60;

#[derive(Debug)]
pub struct FenceSocket(OwnedFd);

impl FenceSocket {
    /// Opens a socket on the inner end of weir's own pair. The caller must be in its network namespace.
    pub fn open(ifindex: u32) -> io::Result<Self> {
        sys::packet_socket(ifindex).map(Self)
    }

    pub fn send(&self, round: u32) -> io::Result<()> {
        let mut frame = [0; LEN];
        // Broadcast, from a local address that no station has.
        frame[..6].fill(0xff);
        frame[6] = 0x02;
        frame[12..14].copy_from_slice(&FENCE_ETHERTYPE.to_be_bytes());
        frame[14..18].copy_from_slice(&round.to_be_bytes());
        rustix::net::send(&self.0, &frame, rustix::net::SendFlags::empty())?;
        Ok(())
    }
}
