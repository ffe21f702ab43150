//! Cuts superframes: into smaller superframes (pieces), so that one sender's 64 kB does not hold up a slow
//! link, and into frames of the pool (segments), for a device that cannot do it.
//!
//! Invariant: either all parts are made or none. Segmenting the pieces gives byte for byte what segmenting
//! the superframe would give. The superframe itself is only read.

use weir_core::offload::Cut;
use weir_core::{Reason, broken};

use crate::egress::{Segments, superframe_kind};
use crate::frame::Frame;
use crate::packet::{MAX_FRAMES, Packet};
use crate::pool::{NONE, Pool, ROOM};

impl Pool {
    /// Cuts a superframe into pieces of whole segments, of at most `max_bytes` with their headers (and at
    /// least one segment), and appends them to `out`, in order. `out` must have room for all of them: it does
    /// not grow. A packet that fits into one piece is appended as it is. Each piece then knows its length on
    /// the wire.
    ///
    /// If the packet cannot be cut it is returned unchanged, with the reason, and no frame is used.
    pub fn cut_pieces(
        &mut self,
        mut packet: Packet,
        max_bytes: u32,
        out: &mut Vec<Packet>,
    ) -> Result<(), (Packet, Reason)> {
        let (pieces, headers) = match plan(self, &packet, max_bytes) {
            Ok(pieces) => pieces,
            Err(reason) => return Err((packet, reason)),
        };
        let count = pieces.count();
        if count as usize > out.capacity() - out.len() {
            return Err((packet, Reason::GsoUnsupported));
        }
        if count == 1 {
            packet.reckon_wire(headers);
            out.push(packet);
            return Ok(());
        }
        let before = out.len();
        for i in 0..count {
            match self.part(&pieces, i, &packet) {
                Ok((head, frames, len)) => {
                    let gso_size = pieces.gso_size(i).unwrap_or_default();
                    let mut piece = packet.piece(head, frames, len, gso_size);
                    piece.reckon_wire(headers);
                    out.push(piece);
                }
                Err(reason) => {
                    for piece in out.drain(before..) {
                        self.release(piece);
                    }
                    return Err((packet, reason));
                }
            }
        }
        self.release(packet);
        Ok(())
    }

    /// Plans the segments of a superframe: at most `most`, each of which fits into one frame.
    pub(crate) fn plan_segments(
        &self,
        packet: &Packet,
        how: &Segments,
        most: usize,
    ) -> Result<Cut, Reason> {
        let cut = Cut::segments(self.head(packet), packet.len(), &how.layout, how.size, how.kind)
            .ok_or(Reason::GsoUnsupported)?;
        let fits = cut.count() as usize <= most && cut.part_len(0).is_some_and(|len| len <= ROOM);
        if fits { Ok(cut) } else { Err(Reason::GsoUnsupported) }
    }

    /// Makes every segment, then passes each to `take`, in order. If one cannot be made, none is passed on
    /// and no frame is used.
    pub(crate) fn cut_segments(
        &mut self,
        cut: &Cut,
        packet: &Packet,
        mut take: impl FnMut(&mut Self, u32),
    ) -> Result<(), Reason> {
        if cut.count() as usize > self.available() {
            return Err(Reason::NoFrames);
        }
        // Until all are made they are linked like the frames of a chain.
        let (mut first, mut last) = (NONE, NONE);
        for i in 0..cut.count() {
            match self.part(cut, i, packet) {
                Ok((segment, ..)) => {
                    let idx = segment.into_index();
                    if first == NONE {
                        first = idx;
                    } else {
                        self.set_next(last, idx);
                    }
                    last = idx;
                }
                Err(reason) => {
                    self.free_chain(first);
                    return Err(reason);
                }
            }
        }
        while first != NONE {
            let next = self.next(first);
            self.set_next(first, NONE);
            take(self, first);
            first = next;
        }
        Ok(())
    }

    /// Writes a part into frames of its own. Returns the first of them, their number, and the part's length.
    fn part(&mut self, cut: &Cut, i: u32, whole: &Packet) -> Result<(Frame, u16, u32), Reason> {
        let len = cut.part_len(i).ok_or(Reason::GsoUnsupported)?;
        let (head, frames) = self.chain_of(len)?;
        let rooms = self.chain(head.index()).map(|at| {
            let (data, len) = (self.memory.data(at), self.len_of(at));
            // SAFETY: the frame was just allocated for a part that does not exist yet, so nothing reads or
            // writes it meanwhile. Each frame is given out once. Its length is at most `ROOM`.
            unsafe { std::slice::from_raw_parts_mut(data.as_ptr(), usize::from(len)) }
        });
        if cut.write(i, self.chunks(whole), rooms) == Some(len) {
            return Ok((head, frames, len as u32));
        }
        self.free_chain(head.into_index());
        Err(Reason::GsoUnsupported)
    }

    /// Allocates linked frames for this many bytes and sets their lengths; their contents are undefined.
    pub(crate) fn chain_of(&mut self, len: usize) -> Result<(Frame, u16), Reason> {
        let frames = len.div_ceil(ROOM).max(1);
        if frames > MAX_FRAMES {
            return Err(Reason::GsoUnsupported);
        }
        if frames > self.available() {
            return Err(Reason::NoFrames);
        }
        let head = self.alloc().ok_or(Reason::NoFrames)?;
        let mut last = head.index();
        let mut rest = len;
        self.set_len_of(last, rest.min(ROOM) as u16);
        for _ in 1..frames {
            rest = rest.saturating_sub(ROOM);
            let Some(frame) = self.alloc() else {
                broken!("there are fewer free frames than were counted");
                break;
            };
            let idx = frame.into_index();
            self.set_len_of(idx, rest.min(ROOM) as u16);
            self.set_next(last, idx);
            last = idx;
        }
        Ok((head, frames as u16))
    }
}

/// Plans the cut: checks that there are frames for all pieces, and returns the length of each piece's
/// headers.
fn plan(pool: &Pool, packet: &Packet, max_bytes: u32) -> Result<(Cut, u16), Reason> {
    if !packet.is_superframe() {
        return Err(Reason::GsoUnsupported);
    }
    let (layout, kind) = superframe_kind(pool, packet).ok_or(Reason::GsoUnsupported)?;
    let (head, len) = (pool.head(packet), packet.len());
    let pieces = Cut::pieces(head, len, &layout, packet.gso_size, kind, max_bytes)
        .ok_or(Reason::GsoUnsupported)?;
    if pieces.count() == 1 {
        return Ok((pieces, layout.header_len));
    }
    // All pieces but the last have the same length.
    let each = pieces.part_len(0).unwrap_or(0).div_ceil(ROOM);
    let last = pieces.part_len(pieces.count() - 1).unwrap_or(0).div_ceil(ROOM);
    let frames = each.saturating_mul(pieces.count() as usize - 1) + last;
    if frames > pool.available() { Err(Reason::NoFrames) } else { Ok((pieces, layout.header_len)) }
}
