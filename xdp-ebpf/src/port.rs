//! A port as the programs find it by its interface, and what they count there.
//! Invariant: a frame of a port is counted under exactly one outcome.

use core::arch::asm;

use weir_abi::{Counter, GatePort, NEAR_SLOTS_LEN, PortCounters};

use crate::{COUNTERS, NEAR_SLOTS, SLOTS, tables};

/// Touches the stack below everything that the compiler puts there, before anything else is done.
///
/// A verifier that carries a demand for precision over from an earlier path (Linux 6.18 does) looks
/// for the stack slot in states whose stack may be less deep, and then rejects the program with
/// "verifier bug: stack slot …". If the whole stack is in use from the first instruction on, there are
/// no such states.
#[inline(always)]
pub(crate) fn use_whole_stack() {
    // SAFETY: the compiler's stack frame ends above: it takes some 270 of the 512 bytes of a program.
    unsafe {
        asm!(
            "*(u64 *)(r10 - 504) = {zero}",
            zero = in(reg) 0_u64,
        );
    }
}

pub(crate) struct Port {
    pub(crate) slot: u16,
    pub(crate) told: GatePort,
    counters: *mut PortCounters,
}

impl Port {
    /// `None`: the interface is not a port (any more).
    #[inline(always)]
    pub(crate) fn at(ifindex: u32) -> Option<Self> {
        let near = NEAR_SLOTS.get(ifindex % NEAR_SLOTS_LEN).map(|&slot| slot as u16);
        let told = |slot: u16| tables::port(slot).filter(|port| port.ifindex() == ifindex);
        let (slot, told) = match near.and_then(|slot| Some((slot, told(slot)?))) {
            Some(found) => found,
            None => {
                // SAFETY: user space may meanwhile replace the element by another port's. Then the
                // `ifindex` in that port's words is another one, and `told` gives nothing.
                let slot = unsafe { *SLOTS.get(ifindex)? } as u16;
                (slot, told(slot)?)
            }
        };
        Some(Self { slot, told, counters: COUNTERS.get_ptr_mut(slot.into())? })
    }

    #[inline(always)]
    pub(crate) fn count(&self, outcome: Counter, len: u32) {
        let mut index = outcome as u64;
        // The compiler knows the range, the verifier does not: hide it, then check.
        // SAFETY: gives the value back as it is.
        unsafe { asm!("/* {0} */", inout(reg) index) };
        if index >= Counter::COUNT as u64 {
            return;
        }
        let counters = self.counters;
        // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile; the
        // index is checked above.
        unsafe {
            let frames = (&raw mut (*counters).frames).cast::<u64>().add(index as usize);
            let bytes = (&raw mut (*counters).bytes).cast::<u64>().add(index as usize);
            *frames += 1;
            *bytes += u64::from(len);
        }
    }

    #[inline(always)]
    pub(crate) fn count_superframe(&self) {
        // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile.
        unsafe { (*self.counters).superframes += 1 };
    }

    #[inline(always)]
    pub(crate) fn counters(&self) -> *mut PortCounters {
        self.counters
    }
}

/// Whether the frame goes on to the kernel.
#[inline(always)]
pub(crate) fn is_passed(outcome: Counter) -> bool {
    matches!(
        outcome,
        Counter::PassedHost
            | Counter::PassedGroup
            | Counter::PassedUnknown
            | Counter::PassedBridge
            | Counter::PassedFallback
    )
}
