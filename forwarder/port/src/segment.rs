//! Cuts a superframe into frames of the pool, for a device that cannot do it.
//!
//! Invariant: either all segments are made or none; the superframe itself is only read.

use weir_core::Reason;
use weir_core::offload::Cut;

use crate::egress::Segments;
use crate::frame::Frame;
use crate::packet::Packet;
use crate::pool::{NONE, Pool, ROOM};

/// The cutter of one superframe.
#[derive(Debug)]
pub(crate) struct Cutter(Cut);

impl Cutter {
    pub(crate) fn new(pool: &Pool, packet: &Packet, how: &Segments) -> Result<Self, Reason> {
        Cut::segments(pool.head(packet), packet.len(), &how.layout, how.size, how.kind)
            .map(Self)
            .ok_or(Reason::GsoUnsupported)
    }

    /// The number of segments, at least 1.
    pub(crate) fn count(&self) -> usize {
        self.0.count() as usize
    }

    /// Makes every segment, then passes each to `take`, in order. If one cannot be made, none is passed on
    /// and no frame is used.
    pub(crate) fn cut(
        &self,
        pool: &mut Pool,
        packet: &Packet,
        mut take: impl FnMut(&mut Pool, u32),
    ) -> Result<(), Reason> {
        let mut segments = List { first: NONE, last: NONE };
        if let Err(reason) = self.make(pool, packet, &mut segments) {
            segments.walk(pool, Pool::free_index);
            return Err(reason);
        }
        segments.walk(pool, |pool, idx| take(pool, idx));
        Ok(())
    }

    fn make(&self, pool: &mut Pool, packet: &Packet, segments: &mut List) -> Result<(), Reason> {
        if pool.available() < self.count() {
            return Err(Reason::NoFrames);
        }
        for i in 0..self.0.count() {
            let frame = pool.alloc().ok_or(Reason::NoFrames)?;
            let written = self.write(pool, packet, i, &frame);
            let idx = frame.into_index();
            segments.append(pool, idx);
            pool.set_len_of(idx, written.ok_or(Reason::GsoUnsupported)?);
        }
        Ok(())
    }

    fn write(&self, pool: &Pool, packet: &Packet, i: u32, to: &Frame) -> Option<u16> {
        // SAFETY: `to` was just allocated: no packet contains it, so the chunks that are read meanwhile are
        // bytes of other frames.
        let room =
            unsafe { std::slice::from_raw_parts_mut(pool.memory.data(to.index()).as_ptr(), ROOM) };
        self.0.write(i, pool.chunks(packet), [room]).map(|len| len as u16)
    }
}

/// A list of frames, linked like those of a chain.
struct List {
    first: u32,
    last: u32,
}

impl List {
    fn append(&mut self, pool: &mut Pool, idx: u32) {
        if self.first == NONE {
            self.first = idx;
        } else {
            pool.set_next(self.last, idx);
        }
        self.last = idx;
    }

    /// Takes the list apart.
    fn walk(self, pool: &mut Pool, mut each: impl FnMut(&mut Pool, u32)) {
        let mut at = self.first;
        while at != NONE {
            let next = pool.next(at);
            pool.set_next(at, NONE);
            each(pool, at);
            at = next;
        }
    }
}
