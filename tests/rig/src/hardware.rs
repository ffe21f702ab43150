//! The processor's counters, by `perf_event_open`: cycles, instructions, misses.
//!
//! Invariant: a quantity that the machine does not count is an error when it is requested, never a
//! zero. A counter that had to share the processor's registers is scaled up to the whole time.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};

const HARDWARE: u32 = 0;
const CACHE: u32 = 3;
/// `cache | operation << 8 | result << 16`, for reads that missed.
const READ_MISSES: u64 = 1 << 16;
/// The value is followed by the time for which the counter was wanted, and the time for which it ran.
const TIMES: u64 = 1 | 2;
/// Threads that a counted thread starts are counted with it.
const INHERIT: u64 = 2;
const CLOSE_ON_EXEC: libc::c_ulong = 8;

/// A quantity that the processor counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    kind: u32,
    config: u64,
}

impl Quantity {
    pub const CYCLES: Self = Self { kind: HARDWARE, config: 0 };
    pub const INSTRUCTIONS: Self = Self { kind: HARDWARE, config: 1 };
    /// Misses of the last level.
    pub const CACHE_MISSES: Self = Self { kind: HARDWARE, config: 3 };
    pub const DTLB_MISSES: Self = Self { kind: CACHE, config: 3 | READ_MISSES };
    pub const ITLB_MISSES: Self = Self { kind: CACHE, config: 4 | READ_MISSES };
}

/// The subject of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A thread and those it starts from now on, wherever they run.
    Thread(u32),
    /// Everything that runs on a core, including the kernel.
    Core(u32),
}

/// Version 0 of `struct perf_event_attr`, which every kernel takes.
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint: u32,
    config1: u64,
}

/// Counts while it lives.
#[derive(Debug)]
pub struct HardwareCounter {
    file: File,
}

impl HardwareCounter {
    pub fn start(quantity: Quantity, whose: Whose) -> io::Result<Self> {
        let (thread, core, flags) = match whose {
            Whose::Thread(thread) => (thread as libc::pid_t, -1, INHERIT),
            Whose::Core(core) => (-1, core as libc::c_int, 0),
        };
        let attributes = Attributes {
            kind: quantity.kind,
            size: size_of::<Attributes>() as u32,
            config: quantity.config,
            sample_period: 0,
            sample_type: 0,
            read_format: TIMES,
            flags,
            wakeup: 0,
            breakpoint: 0,
            config1: 0,
        };
        let no_group: libc::c_int = -1;
        // SAFETY: the kernel reads as many bytes of `attributes` as its `size` says, and `attributes`
        // outlives the call; the other arguments are numbers.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                thread,
                core,
                no_group,
                CLOSE_ON_EXEC,
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and not owned elsewhere.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) };
        Ok(Self { file: File::from(fd) })
    }

    /// The count so far.
    pub fn read(&self) -> io::Result<u64> {
        let mut bytes = [0; 24];
        (&self.file).read_exact(&mut bytes)?;
        let mut words = bytes
            .chunks_exact(8)
            .map(|word| word.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word)));
        let mut next = || words.next().unwrap_or(0);
        Ok(scaled(next(), next(), next()))
    }
}

fn scaled(value: u64, wanted: u64, ran: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(wanted) / u128::from(ran.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
