//! VLAN tags as a guest's VLAN device passes them on: beside the packet data, for the device to insert.
//! For tests on kernels without VLAN devices.
//!
//! Invariant: the program of [`tag_beside`] is attached as long as the returned value lives and no
//! longer; a [`TagThen`] is attached nowhere.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Map, ProgramArray};
use aya::programs::ProgramFd;
use weir_probe::program::{Attached, Hook, Program, refused};

fn load(name: &'static str, proto: u16, tci: u16) -> io::Result<Program> {
    Program::load(name, &[("TAG", &[proto.to_be().into(), tci.into()])])
}

/// Tags every frame that leaves by this interface of the calling thread's namespace, as long as the
/// returned value lives.
pub fn tag_beside(ifindex: u32, tci: u16) -> io::Result<Attached> {
    load("tag_beside", 0x8100, tci)?.attach(ifindex, Hook::TcxEgress)
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
        let mut program = load("tag_then", proto, tci)?;
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
