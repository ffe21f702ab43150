//! The bytes of a pool's frames: a UMEM shared with the kernel, or plain memory in tests.
//!
//! Invariant: a chunk's bytes are accessed only through the frame's one token, or by a port while the pool's
//! table says that the port has the frame.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;

use xsk_rs::{FrameDesc, Umem};

/// Bytes of a frame, headroom included: one page, the largest chunk an aligned UMEM may have.
pub const CHUNK: usize = 4096;
/// The bytes in front of the packet: XDP reserves them, and the metadata is there.
pub const HEADROOM: usize = 256;
/// Packet bytes that one frame holds.
pub const ROOM: usize = CHUNK - HEADROOM;

/// A frame in plain memory.
#[derive(Debug)]
#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; CHUNK]>);

const _: () = assert!(size_of::<Page>() == CHUNK, "frames are side by side");

/// Keeps the bytes alive.
#[derive(Clone, Debug)]
enum Backing {
    Heap { _pages: Arc<[Page]> },
    Umem(Umem),
}

/// Cloning shares the bytes: each worker has a pool over the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    frames: u32,
    backing: Backing,
    /// One descriptor per frame of a UMEM, as made by xsk-rs: an address cannot be named otherwise.
    descs: Arc<[FrameDesc]>,
}

// SAFETY: `Memory` shares its bytes (heap) or a handle on the mapping (UMEM, itself `Send`), neither of which
// is tied to a thread. Access to the bytes is decided frame by frame, by the frame's one token.
unsafe impl Send for Memory {}

impl Memory {
    pub(crate) fn heap(frames: u32) -> Self {
        let frames = frames.max(1);
        let page = |_| Page(UnsafeCell::new([0; CHUNK]));
        let pages: Arc<[Page]> = (0..frames).map(page).collect();
        let base = NonNull::from(&*pages).cast();
        Self { base, frames, backing: Backing::Heap { _pages: pages }, descs: Arc::default() }
    }

    /// Returns `None` if the descriptors are not those of a fresh UMEM with this chunk size.
    pub(crate) fn umem(umem: Umem, descs: Vec<FrameDesc>) -> Option<Self> {
        let regular =
            descs.iter().enumerate().all(|(idx, desc)| desc.addr() == idx * CHUNK + HEADROOM);
        let first = descs.first().filter(|_| regular)?;
        // SAFETY: the descriptor is of this UMEM and no socket has been given its frame yet.
        let data = unsafe { umem.data(first) };
        let data = NonNull::new(data.contents().as_ptr().cast_mut())?;
        // SAFETY: the data of the first frame begins `HEADROOM` after the start of the mapping.
        let base = unsafe { data.sub(HEADROOM) };
        let frames = descs.len() as u32;
        Some(Self { base, frames, backing: Backing::Umem(umem), descs: descs.into() })
    }

    #[inline]
    pub(crate) fn frames(&self) -> u32 {
        self.frames
    }

    /// The address of a frame's first packet byte.
    #[inline]
    pub(crate) fn data(&self, idx: u32) -> NonNull<u8> {
        assert!(idx < self.frames, "a frame of another pool");
        // SAFETY: the frame belongs to this memory, so the offset is inside the mapping.
        unsafe { self.base.add(idx as usize * CHUNK + HEADROOM) }
    }

    /// The bytes in front of the packet. The caller must own the frame.
    #[inline]
    pub(crate) fn headroom(&self, idx: u32) -> &[u8; HEADROOM] {
        // SAFETY: the headroom is in front of every frame's data. The caller owns the frame, so nothing
        // writes to it meanwhile.
        unsafe { self.data(idx).sub(HEADROOM).cast::<[u8; HEADROOM]>().as_ref() }
    }

    #[inline]
    pub(crate) fn headroom_mut(&mut self, idx: u32) -> &mut [u8; HEADROOM] {
        // SAFETY: as in `headroom`. The caller owns the frame, so no other pool accesses these bytes, and
        // `&mut self` excludes other borrows through this one.
        unsafe { self.data(idx).sub(HEADROOM).cast::<[u8; HEADROOM]>().as_mut() }
    }

    /// The descriptor of this frame in a ring; `None` for plain memory.
    #[inline]
    pub(crate) fn desc(&self, idx: u32) -> Option<FrameDesc> {
        self.descs.get(idx as usize).copied()
    }

    /// Same as [`Self::desc`], with a length, for a transmit ring.
    #[inline]
    pub(crate) fn tx_desc(&self, idx: u32, len: u16) -> Option<FrameDesc> {
        let Backing::Umem(umem) = &self.backing else { return None };
        let mut desc = self.desc(idx)?;
        // SAFETY: the descriptor is of this UMEM, and the caller owns the frame. The slice made here is
        // neither read nor written: only the length beside it changes.
        unsafe { umem.data_mut(&mut desc) }.cursor().set_pos(usize::from(len));
        Some(desc)
    }
}
