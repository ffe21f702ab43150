//! Programs that send as several flows or to several places, redirect, hand frames to sockets, or put
//! VLAN tags beside the packet data, as a guest's VLAN device does, for kernels without such devices.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Array, Map, MapData, ProgramArray, XskMap};
use aya::programs::ProgramFd;
use weir_probe::program::{Action, Attached, Hook, Program, refused};

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
pub type SocketMap = XskMap<MapData>;

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
    let sockets = XskMap::try_from(program.map("SOCKETS")?).map_err(refused)?;
    Ok((program, sockets))
}

fn tagging(name: &'static str, proto: u16, tci: u16) -> io::Result<Program> {
    Program::load(name, &[("TAG", &[proto.to_be().into(), tci.into()])])
}

/// Tags every frame that leaves by this interface of the calling thread's namespace, as long as the
/// returned value lives.
pub fn tag_beside(ifindex: u32, tci: u16) -> io::Result<Attached> {
    tagging("tag_beside", 0x8100, tci)?.attach(ifindex, Hook::TcxEgress)
}

/// Puts a tag beside a frame and then calls another tc program, whose result it returns: for test runs,
/// which cannot carry such a frame.
#[derive(Debug)]
pub struct TagThen {
    program: Program,
    _next: Map,
}

impl TagThen {
    pub fn new(proto: u16, tci: u16, next: &ProgramFd) -> io::Result<Self> {
        let mut program = tagging("tag_then", proto, tci)?;
        let mut map = program.map("NEXT")?;
        ProgramArray::try_from(&mut map)
            .and_then(|mut map| map.set(0, next, 0))
            .map_err(refused)?;
        Ok(Self { program, _next: map })
    }
}

impl AsFd for TagThen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}
