//! A bare forwarding loop between two interfaces: no policy, no metadata, no counters. The difference
//! to it is weir's cost.
//!
//! Invariant: same UMEM, rings, budgets and kick as [`weir_port::XskPort`], so that only the work
//! between receive and send differs. Single frames only; a frame that cannot be sent is dropped.

use std::io;
use std::os::fd::BorrowedFd;

use xsk_rs::FrameDesc;

use weir_port::sys;
use weir_port::umem::{FILL_RING, Rings, UmemHandle};

const RING: u32 = 2048;
const BATCH: usize = 64;
/// Both fill rings, both transmit rings, and the same number again for frames in between.
const FRAMES: u32 = 2 * (FILL_RING + 2 * RING);
const SEND_BUFFER: libc::c_int = 16 << 20;

#[derive(Debug)]
struct Side {
    rings: Rings,
    /// Frames that the kernel has for receiving.
    level: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Bare {
    sides: [Side; 2],
    free: Vec<FrameDesc>,
    batch: Box<[FrameDesc; BATCH]>,
    _umem: UmemHandle,
}

impl Bare {
    /// Binds to queue 0 of both interfaces.
    pub fn bind(a: &str, b: &str) -> io::Result<Self> {
        let (umem, free) = UmemHandle::open(FRAMES).map_err(io::Error::other)?;
        let side = |name: &str| -> io::Result<Side> {
            let failed = |error| io::Error::other(format!("cannot bind to {name}: {error}"));
            let rings = umem.bind(name, 0, RING, RING).map_err(failed)?;
            sys::set_send_buffer(rings.fd(), SEND_BUFFER).map_err(failed)?;
            sys::raise_tx_budget(rings.fd(), RING);
            Ok(Side { rings, level: 0 })
        };
        let sides = [side(a)?, side(b)?];
        let batch = Box::new([FrameDesc::default(); BATCH]);
        let mut bare = Self { sides, free, batch, _umem: umem };
        bare.refill();
        Ok(bare)
    }

    /// The sockets, for the map that the program redirects by.
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        let [a, b] = &self.sides;
        [a.rings.fd(), b.rings.fd()]
    }

    /// Forwards both ways until `until` returns true; it is called now and then.
    pub fn run(&mut self, until: impl Fn() -> bool) {
        loop {
            for _ in 0..64 {
                self.turn();
            }
            if until() {
                return;
            }
        }
    }

    #[inline]
    fn turn(&mut self) {
        let Self { sides: [a, b], free, batch, .. } = self;
        forward(a, b, free, &mut batch[..]);
        forward(b, a, free, &mut batch[..]);
        self.refill();
    }

    #[inline]
    fn refill(&mut self) {
        for side in &mut self.sides {
            while FILL_RING - side.level >= BATCH as u32 && self.free.len() >= BATCH {
                let from = self.free.len() - BATCH;
                let Some(batch) = self.free.get(from..) else { break };
                // SAFETY: free frames of this UMEM, dropped from the list below.
                let put = unsafe { side.rings.fill.produce(batch) };
                if put == 0 {
                    break;
                }
                side.level += put as u32;
                self.free.truncate(from);
            }
        }
    }
}

#[inline]
fn forward(from: &mut Side, to: &mut Side, free: &mut Vec<FrameDesc>, batch: &mut [FrameDesc]) {
    // SAFETY: here and below, the descriptors are overwritten with what the kernel hands over.
    let done = unsafe { to.rings.completion.consume(batch) };
    free.extend(batch.iter().take(done));
    // SAFETY: as above.
    let got = unsafe { from.rings.rx.consume(batch) };
    if got > 0 {
        from.level -= got as u32;
        let batch = batch.get(..got).unwrap_or_default();
        // SAFETY: the kernel just handed these frames over; nothing else refers to them.
        let put = unsafe { to.rings.tx.produce(batch) };
        free.extend(batch.iter().skip(put));
    }
    if to.rings.tx.nb_free_exact() < RING {
        // The result does not matter: the next turn sends the rest again.
        sys::kick(to.rings.fd());
    }
}
