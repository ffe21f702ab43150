//! Group frames that the program leaves to the host, heard a second time: an uplink that carries
//! the host's own address, outside any bridge, has broadcasts that both the host and the guests
//! must get, and XDP cannot send a frame two ways.
//!
//! Invariant: what is heard here is a copy. The frame itself was counted as passed; losing the
//! copy, when the socket's buffer is full, loses nothing that anybody was promised exactly once.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use weir_abi::{Meta, classify, meta_flags};
use weir_core::PortId;

use crate::packet::Packet;
use crate::pool::Pool;
use crate::sys::{self, check, clock_monotonic_ns};

const SOL_PACKET: libc::c_int = 263;
const PACKET_AUXDATA: libc::c_int = 8;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// In the status of `struct tpacket_auxdata`.
const CHECKSUM_NOT_READY: u32 = 1 << 3;
const TAG_VALID: u32 = 1 << 4;
/// The longest frame that is copied: jumbo frames, with tags. Group superframes are not.
const LONGEST: usize = 9 * 1024 + 26;
const TAG: usize = 4;
/// The socket is looked at once in this many turns: group frames are rare, and a call is not free.
const LOOK_EVERY: u32 = 32;
/// Copies taken at one look.
const MOST: usize = 16;

#[derive(Debug)]
pub(crate) struct Overheard {
    fd: OwnedFd,
    slot: PortId,
    /// A frame, behind room for a tag that came beside it.
    buffer: Box<[u8]>,
    turn: u32,
}

/// What the kernel says beside a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Beside {
    partial: bool,
    tag: Option<[u8; TAG]>,
}

impl Overheard {
    pub(crate) fn open(ifindex: u32, slot: PortId) -> io::Result<Self> {
        let fd = sys::packet_socket()?;
        sys::set_int(fd.as_fd(), SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
        sys::set_int(fd.as_fd(), SOL_PACKET, PACKET_AUXDATA, 1)?;
        only_group_frames(fd.as_fd())?;
        sys::bind_packet_socket(fd.as_fd(), ifindex, libc::ETH_P_ALL as u16)?;
        Ok(Self { fd, slot, buffer: vec![0; TAG + LONGEST].into(), turn: 0 })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Appends what was heard, now and then; how many.
    #[inline]
    pub(crate) fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Packet>) -> u64 {
        self.turn = self.turn.wrapping_add(1);
        if !self.turn.is_multiple_of(LOOK_EVERY) {
            return 0;
        }
        let mut heard = 0;
        for _ in 0..MOST.min(out.capacity() - out.len()) {
            let Some((len, beside)) = self.next() else { break };
            if let Some(packet) = self.packet(pool, len, beside) {
                out.push(packet);
                heard += 1;
            }
        }
        heard
    }

    /// The next frame into the buffer, behind the room for a tag.
    fn next(&mut self) -> Option<(usize, Beside)> {
        #[repr(align(8))]
        struct Control([u8; 64]);
        let mut control = Control([0; 64]);
        let room = self.buffer.get_mut(TAG..)?;
        let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        // SAFETY: zeros are a valid message header.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        // SAFETY: buffer and control block are alive, exclusively ours, and of the lengths given.
        let got = unsafe {
            libc::recvmsg(
                self.fd.as_raw_fd(),
                &raw mut message,
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
            )
        };
        let len = usize::try_from(got).ok()?;
        Some((len, beside(&message)))
    }

    /// A packet of what is in the buffer; `None` for what cannot be one.
    fn packet(&mut self, pool: &mut Pool, len: usize, beside: Beside) -> Option<Packet> {
        let (mut from, mut len) = (TAG, len);
        if let Some(tag) = beside.tag {
            self.buffer.get_mut(..TAG + 12)?.copy_within(TAG.., 0);
            self.buffer.get_mut(12..12 + TAG)?.copy_from_slice(&tag);
            (from, len) = (0, len + TAG);
        }
        // Longer than the buffer: it was cut off, and is no frame any more.
        let bytes = self.buffer.get(from..from.checked_add(len)?)?;
        let verdict = classify(bytes).ok()?;
        let mut meta = Meta::new(&verdict, clock_monotonic_ns(), len as u32, self.slot.0);
        if beside.partial && verdict.looks_partial() {
            meta.flags |= meta_flags::CSUM_PARTIAL;
        }
        pool.compose(bytes, &meta)
    }
}

/// A classic filter: the lowest bit of the first byte marks a group address.
fn only_group_frames(fd: BorrowedFd<'_>) -> io::Result<()> {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(0x30, 0, 0, 0),      // A = the frame's first byte
        step(0x45, 0, 1, 1),      // any of bit 0?
        step(0x06, 0, 0, 0xffff), // take it whole
        step(0x06, 0, 0, 0),      // leave it
    ];
    let program = libc::sock_fprog { len: steps.len() as _, filter: steps.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which is alive during the call, by the length given.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    })
    .map(drop)
}

fn beside(message: &libc::msghdr) -> Beside {
    // SAFETY: the header and its control block were just written by the kernel.
    let first = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() };
    let Some(first) = first.filter(|m| m.cmsg_level == SOL_PACKET && m.cmsg_type == PACKET_AUXDATA)
    else {
        return Beside::default();
    };
    let mut words = [0_u8; 20];
    if first.cmsg_len < size_of::<libc::cmsghdr>() + words.len() {
        return Beside::default();
    }
    // SAFETY: the message says that it holds at least this many bytes.
    unsafe {
        libc::CMSG_DATA(first).copy_to_nonoverlapping(words.as_mut_ptr(), words.len());
    }
    // struct tpacket_auxdata: status, two lengths, two offsets, TCI, TPID.
    let [s0, s1, s2, s3, .., t0, t1, p0, p1] = words;
    let status = u32::from_ne_bytes([s0, s1, s2, s3]);
    let tci = u16::from_ne_bytes([t0, t1]).to_be_bytes();
    let tpid = u16::from_ne_bytes([p0, p1]).to_be_bytes();
    let tag = (status & TAG_VALID != 0).then_some([tpid[0], tpid[1], tci[0], tci[1]]);
    Beside { partial: status & CHECKSUM_NOT_READY != 0, tag }
}
