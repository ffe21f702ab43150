//! A tap with a virtual machine's end of it: it replaces the machine in tests.
//!
//! Invariant: the device is gone with its [`RawTap`]; nothing is read unless a test asks for it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use weir_core::offload::VnetHeader;
use weir_port::sys;

/// The offers of a machine's driver: checksums, and superframes of TCP and UDP, old (UFO) and new.
const OFFLOADS: libc::c_ulong = 0x1 | 0x2 | 0x4 | 0x10 | 0x20 | 0x40;
/// `gso_type` of a datagram that is to leave as fragments.
pub const UFO: u8 = 3;
/// `gso_type` of datagrams of one size, one after the other.
pub const USO: u8 = 5;
/// `flags` of a frame whose checksum must be completed.
pub const NEEDS_CSUM: u8 = 1;

#[derive(Debug)]
pub struct RawTap {
    file: File,
}

impl RawTap {
    /// Makes the device in the network namespace of the calling thread.
    pub fn create(name: &str) -> io::Result<Self> {
        let fd = sys::tap(name, libc::IFF_VNET_HDR)?;
        // SAFETY: the request takes a number.
        let set = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD as _, OFFLOADS) };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { file: File::from(fd) })
    }

    /// The machine sends a frame.
    pub fn send(&self, frame: &[u8], header: VnetHeader) -> io::Result<()> {
        (&self.file).write(&[&header.to_bytes()[..], frame].concat()).map(drop)
    }

    /// The next frame for the machine, if one is there.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; VnetHeader::LEN + 65536];
        match (&self.file).read(&mut buffer) {
            Ok(len) => Ok(buffer.get(VnetHeader::LEN..len).map(<[u8]>::to_vec)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}
