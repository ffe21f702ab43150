//! A tap with a virtual machine's end of it: it replaces the machine in tests.
//!
//! Invariant: the device is gone with its [`RawTap`]; nothing is read unless a test asks for it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use weir_port::sys;

/// The offers of a machine's driver: checksums, and superframes of TCP and UDP, old (UFO) and new.
const OFFLOADS: libc::c_ulong = 0x1 | 0x2 | 0x4 | 0x10 | 0x20 | 0x40;
/// The length of the header in front of every frame.
pub const HEADER_LEN: usize = 10;

#[derive(Debug)]
pub struct RawTap {
    file: File,
}

/// A machine's description of a superframe; checksums are left to the device.
#[derive(Debug, Clone, Copy)]
pub struct Super {
    /// `VIRTIO_NET_HDR_GSO_…`.
    pub kind: u8,
    pub header_len: u16,
    pub segment: u16,
    /// Where the checksum begins, and the offset of its field from there.
    pub csum_start: u16,
    pub csum_off: u16,
}

impl Super {
    /// A datagram that is to leave as fragments.
    pub const UFO: u8 = 3;
    /// Datagrams of one size, one after the other.
    pub const USO: u8 = 5;
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
    pub fn send(&self, frame: &[u8], superframe: Option<Super>) -> io::Result<()> {
        let mut buffer = vec![0; HEADER_LEN];
        if let Some(s) = superframe {
            let numbers = [s.header_len, s.segment, s.csum_start, s.csum_off];
            let numbers = numbers.into_iter().flat_map(u16::to_ne_bytes);
            // 1: the checksum must be completed.
            buffer = [1, s.kind].into_iter().chain(numbers).collect();
        }
        buffer.extend_from_slice(frame);
        (&self.file).write(&buffer).map(drop)
    }

    /// The next frame for the machine, if one is there.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; HEADER_LEN + 65536];
        match (&self.file).read(&mut buffer) {
            Ok(len) => Ok(buffer.get(HEADER_LEN..len).map(<[u8]>::to_vec)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}
