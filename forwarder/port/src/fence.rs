//! The socket by which fences are sent: see the program `weir_fence`.
//!
//! Invariant: a fence that was sent stands in the backlog of the CPU that the caller runs on, or has left
//! it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use weir_abi::maps::FENCE_ETHERTYPE;

use crate::sys;

/// The shortest that every device takes.
const LEN: usize = 60;

#[derive(Debug)]
pub struct FenceSocket(OwnedFd);

impl FenceSocket {
    /// On the inner end of weir's own pair, in whose network namespace the caller has to be.
    pub fn open(ifindex: u32) -> io::Result<Self> {
        let socket = sys::packet_socket()?;
        sys::bind_packet_socket(socket.as_fd(), ifindex)?;
        Ok(Self(socket))
    }

    pub fn send(&self, round: u32) -> io::Result<()> {
        let mut frame = [0; LEN];
        // For everybody, from a station that is nobody's.
        frame[..6].fill(0xff);
        frame[6] = 0x02;
        frame[12..14].copy_from_slice(&FENCE_ETHERTYPE.to_be_bytes());
        frame[14..18].copy_from_slice(&round.to_be_bytes());
        rustix::net::send(&self.0, &frame, rustix::net::SendFlags::empty())?;
        Ok(())
    }
}
