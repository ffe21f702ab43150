//! Memory shared with the XDP program: a mapped BPF array map, as 64-bit words that both sides read and write
//! without a system call.
//!
//! Invariant: a word is only ever accessed atomically, here and in the kernel, and the mapping lives as long
//! as any clone.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use weir_abi::{MAX_PORTS, MAX_WORKERS};

const _: () = assert!(MAX_PORTS as usize == weir_core::MAX_PORTS);
const _: () = assert!(MAX_WORKERS as usize == weir_core::MAX_WORKERS);

/// Words of a port, or of a worker's queue, in the maps below: one cache line each.
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
    /// Maps the first `words` words of an array map that was made with `BPF_F_MMAPABLE` and whose values are
    /// whole words. The map stays alive as long as the cells do.
    pub fn map(fd: BorrowedFd<'_>, words: usize) -> io::Result<Self> {
        Mapping::new(fd, words).map(|mapping| Self(Arc::new(Backing::Map(mapping))))
    }

    /// Words in memory of the process, all zero: for a worker without a program.
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

    /// Returns `None` past the last word.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&AtomicU64> {
        self.as_slice().get(at)
    }

    /// The `n`th word of a port's or a queue's line.
    #[inline]
    pub fn word(&self, line: usize, n: usize) -> Option<&AtomicU64> {
        self.get(line * STRIDE + n)
    }

    /// The value of the `n`th word of a line; 0 past the last word.
    #[inline]
    pub fn load(&self, line: usize, n: usize) -> u64 {
        self.word(line, n).map_or(0, |word| word.load(Ordering::Acquire))
    }
}

#[derive(Debug)]
struct Mapping {
    base: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and its words are atomic.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference gives access to atomic words only.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, words: usize) -> io::Result<Self> {
        let bytes = words.checked_mul(size_of::<AtomicU64>()).filter(|&bytes| bytes > 0);
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: the kernel chooses the place of the new mapping, so no memory of this process is touched.
        let base = unsafe {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            mmap(std::ptr::null_mut(), bytes, access, MapFlags::SHARED, fd, 0)?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { base, words })
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping begins on a page, has this length (the kernel refuses to map past an array's
        // end), and is not unmapped before `self` is dropped.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and no reference into it outlives `self`.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.words * size_of::<AtomicU64>()) };
    }
}
