//! Programs that send as several flows or to several places, redirect, or hand frames to sockets.

use std::io;
use std::os::fd::BorrowedFd;

use aya::maps::{Array, Map, XskMap};
use weir_probe::program::{Action, Program, refused};

/// Bytes of a front: Ethernet, IPv6 and UDP fit, and no frame is shorter.
pub const FRONT: usize = 64;

/// Makes every frame the next of `flows` flows, and counts it: IPv4 without options, TCP or UDP, whose
/// ports become the two halves of a number that counts up on each CPU. The checksum stays as it is.
pub fn next_flow(flows: u32, action: Action) -> io::Result<Program> {
    Program::load("next_flow", &[("FLOWS", &[flows.max(1)]), ("ACTION", &[action as u32])])
}

/// Counts every frame and gives it the next front, which holds everything that differs between the
/// frames, checksums included. A frame shorter than a front is dropped.
pub fn in_turn(fronts: &[[u8; FRONT]], action: Action) -> io::Result<Program> {
    let flows = [fronts.len().max(1) as u32];
    let mut program = Program::load("in_turn", &[("FLOWS", &flows), ("ACTION", &[action as u32])])?;
    let mut map = Array::<_, [u8; FRONT]>::try_from(program.map("FRONTS")?).map_err(refused)?;
    for (at, front) in (0..).zip(fronts) {
        map.set(at, front, 0).map_err(refused)?;
    }
    Ok(program)
}

/// Sends every frame out of another interface of the same namespace.
pub fn redirect(ifindex: u32) -> io::Result<Program> {
    Program::load("redirect", &[("IFINDEX", &[ifindex])])
}

/// The sockets of a program, by queue.
#[derive(Debug)]
pub struct SocketMap(Map);

impl SocketMap {
    pub fn set(&mut self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let mut map = XskMap::try_from(&mut self.0).map_err(refused)?;
        map.set(queue, socket.as_raw_fd(), 0).map_err(refused)
    }
}

/// Hands every frame to the socket of its queue, or passes it if there is none.
pub fn to_socket() -> io::Result<(Program, SocketMap)> {
    with_sockets("to_socket")
}

/// The same with weir's metadata in front, as received by the port whose slot is the queue's number.
pub fn receive() -> io::Result<(Program, SocketMap)> {
    with_sockets("receive")
}

fn with_sockets(name: &'static str) -> io::Result<(Program, SocketMap)> {
    let mut program = Program::load(name, &[])?;
    let sockets = SocketMap(program.map("SOCKETS")?);
    Ok((program, sockets))
}
