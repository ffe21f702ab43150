//! Memory shared with the XDP program: a BPF array map, mapped, as 64-bit words that both sides
//! read and write without a call.
//!
//! Invariant: a word is only ever accessed atomically, here and in the kernel, and the mapping
//! lives as long as any clone.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use weir_abi::{MAX_PORTS, MAX_WORKERS};

/// Words of a port, or of a worker's queue, in the maps below: a cache line each.
pub const STRIDE: usize = 8;
/// Words of the maps `TAKEN` and `GIVEN_BACK`.
pub const ROOM_WORDS: usize = (MAX_PORTS + MAX_WORKERS) as usize * STRIDE;
/// Words of the map `DOORS`.
pub const DOOR_WORDS: usize = 2 * MAX_PORTS as usize * STRIDE;

#[derive(Debug)]
enum Backing {
    Heap(Box<[AtomicU64]>),
    Map(Mapping),
}

/// The words of an array map, in the order of its entries. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Cells(Arc<Backing>);

impl Cells {
    /// Maps the first `words` of an array map that was made with `BPF_F_MMAPABLE` and whose values
    /// are whole words. The map stays alive as long as the cells do.
    pub fn map(fd: BorrowedFd<'_>, words: usize) -> io::Result<Self> {
        Mapping::new(fd, words).map(|mapping| Self(Arc::new(Backing::Map(mapping))))
    }

    /// Words of our own, all zero: for a worker without a program.
    pub fn heap(words: usize) -> Self {
        let words = (0..words).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Backing::Heap(words)))
    }

    #[inline]
    pub fn as_slice(&self) -> &[AtomicU64] {
        match &*self.0 {
            Backing::Heap(words) => words,
            Backing::Map(mapping) => mapping.words(),
        }
    }

    /// `None` past the last word.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&AtomicU64> {
        self.as_slice().get(at)
    }
}

#[derive(Debug)]
struct Mapping {
    base: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping is the process's, not a thread's, and its words are atomic.
unsafe impl Send for Mapping {}
// SAFETY: likewise: a shared reference gives access to atomic words only.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, words: usize) -> io::Result<Self> {
        let bytes = words.checked_mul(size_of::<AtomicU64>()).filter(|&bytes| bytes > 0);
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: a new mapping where the kernel likes; nothing of ours is touched.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { base, words })
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping begins on a page, is this long (the kernel refuses to map past an
        // array's end), and is not undone before `self` is dropped.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.words * size_of::<AtomicU64>()) };
    }
}
