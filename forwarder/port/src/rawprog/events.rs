//! Counts what the kernel does for everybody, and for one process, by programs at its trace points.
//!
//! Invariant: nothing is recorded but numbers; an event costs whoever causes it some tens of
//! nanoseconds while a counter lives, and nothing before and after.

use super::{
    ADD_IMM, CALL, EXIT, HELPER_LOOKUP, JEQ_IMM, JNE_IMM, LOAD_DW, MOV_IMM, MOV_REG, STORE_DW,
    STORE_IMM_W, create_map, insn, load_as, map_address, owned, possible_cores, read_elem,
};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

const SHIFT_RIGHT_IMM: u8 = 0x77;
const HELPER_PROCESS: i32 = 14;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// By the process that calls.
    SystemCall,
    /// By the process that wakes another, or that an interrupt came upon.
    WakeUp,
}

impl Event {
    fn trace_point(self) -> &'static CStr {
        match self {
            Self::SystemCall => c"sys_enter",
            Self::WakeUp => c"sched_wakeup",
        }
    }
}

/// How often it has happened since the counter was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub everybody: u64,
    pub process: u64,
}

/// Counts while it lives.
#[derive(Debug)]
pub struct EventCounter {
    map: OwnedFd,
    cores: usize,
    // The trace point holds the program, and the program the map.
    _attached: OwnedFd,
}

impl EventCounter {
    /// `process` as the kernel numbers it: as in /proc, unless that is a container's.
    pub fn start(event: Event, process: u32) -> io::Result<Self> {
        let map = create_map(libbpf_sys::BPF_MAP_TYPE_PERCPU_ARRAY, 16, 1)?;
        let program = load_as(libbpf_sys::BPF_PROG_TYPE_RAW_TRACEPOINT, &code(&map, process), 0)?;
        // SAFETY: the name is a NUL-terminated constant; the descriptor is open during the call.
        let attached = owned(unsafe {
            libbpf_sys::bpf_raw_tracepoint_open(event.trace_point().as_ptr(), program.as_raw_fd())
        })?;
        Ok(Self { map, cores: possible_cores()?, _attached: attached })
    }

    pub fn read(&self) -> io::Result<Seen> {
        let mut values = vec![0_u64; 2 * self.cores];
        read_elem(&self.map, 0, &mut values)?;
        let mut seen = Seen::default();
        for core in values.chunks_exact(2) {
            if let [everybody, process] = core {
                seen.everybody += everybody;
                seen.process += process;
            }
        }
        Ok(seen)
    }
}

/// Adds one to the first number, and to the second if the process is the one asked for.
fn code(map: &OwnedFd, process: u32) -> Vec<u64> {
    let add_one = |at: i16| {
        [insn(LOAD_DW, 1, 0, at, 0), insn(ADD_IMM, 1, 0, 0, 1), insn(STORE_DW, 0, 1, at, 0)]
    };
    // r6: the process.
    let mut code = vec![
        insn(CALL, 0, 0, 0, HELPER_PROCESS),
        insn(MOV_REG, 6, 0, 0, 0),
        insn(SHIFT_RIGHT_IMM, 6, 0, 0, 32),
        insn(STORE_IMM_W, 10, 0, -4, 0),
        insn(MOV_REG, 2, 10, 0, 0),
        insn(ADD_IMM, 2, 0, 0, -4),
    ];
    code.extend(map_address(1, map));
    code.extend([insn(CALL, 0, 0, 0, HELPER_LOOKUP), insn(JEQ_IMM, 0, 0, 7, 0)]);
    code.extend(add_one(0));
    code.push(insn(JNE_IMM, 6, 0, 3, process as i32));
    code.extend(add_one(8));
    code.extend([insn(MOV_IMM, 0, 0, 0, 0), insn(EXIT, 0, 0, 0, 0)]);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `None` where this user may not load programs.
    fn counter(process: u32) -> Option<EventCounter> {
        match EventCounter::start(Event::SystemCall, process) {
            Ok(counter) => Some(counter),
            Err(error) => {
                eprintln!("SKIPPED: system calls cannot be counted here: {error}");
                None
            }
        }
    }

    #[test]
    fn own_system_calls_are_counted_for_this_process_and_for_everybody() {
        let Some(counter) = counter(std::process::id()) else { return };
        let before = counter.read().unwrap();
        for _ in 0..1000 {
            let _ = rustix::process::getppid();
        }
        let after = counter.read().unwrap();
        assert!(after.process >= before.process + 1000, "{before:?} {after:?}");
        assert!(after.everybody - before.everybody >= after.process - before.process);
    }

    #[test]
    fn others_system_calls_are_not_this_process() {
        // No process has this number.
        let Some(counter) = counter(i32::MAX as u32) else { return };
        let _ = rustix::process::getppid();
        let seen = counter.read().unwrap();
        assert!(seen.everybody > 0 && seen.process == 0, "{seen:?}");
    }
}
