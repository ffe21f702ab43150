//! Injected losses in the program: one frame for each outcome it can have, counted once, under that
//! outcome and under no other.

use anyhow::{Context, Result, ensure};
use std::os::fd::AsFd;
use system_tests::root_or_skip;
use weir_abi::{Counter, MAX_FRAME_LEN, port_flags};
use weir_core::Reason;
use weir_port::probe::{TestCtx, test_run_behind};

use crate::harness::*;
use crate::shedding::Maps;

/// As much metadata as the kernel lets stand in front of a frame.
const MOST_META: usize = 216;

/// Runs one frame that must have this outcome. A new outcome does not compile until it is injected.
fn injected(program: &mut Program, counter: Counter) -> Result<()> {
    let frame = build(0, false, false, &[1; 40])?;
    let frame = match counter {
        Counter::Steered => frame,
        Counter::PassedHost => [&HOST[..], &frame[6..]].concat(),
        Counter::PassedFallback => {
            program.close_slot()?;
            frame
        }
        Counter::DroppedFallback => {
            program.set_port(LO, port_flags::FALLBACK_DROP)?;
            program.close_slot()?;
            frame
        }
        Counter::Malformed => frame[..20].to_vec(),
        Counter::Oversize => {
            let mut long = [&DST[..], &SRC, &[0x88, 0xb5]].concat();
            long.resize(MAX_FRAME_LEN as usize + 1, 0);
            long
        }
        Counter::Spoofed => {
            program.set_port(LO, port_flags::MAC_LOCK)?;
            frame
        }
        Counter::Shed => {
            let mut maps = Maps::of(program)?;
            maps.place(DST, 0, 9)?;
            maps.set(SLOT, 9, true)?;
            frame
        }
        // Takes what stands behind a frame in the kernel: `tests/tests/losses.rs`.
        Counter::Unsupported => return Ok(()),
        Counter::NoMeta => return no_meta(program, &frame),
        // The gate's alone: `tests/tests/gate_program.rs`.
        Counter::PassedGroup
        | Counter::PassedUnknown
        | Counter::PassedBridge
        | Counter::Reserved
        | Counter::Storm
        | Counter::RxShare => return Ok(()),
    };
    // `outcome` insists that one counter rose, by one.
    let outcome = program.outcome(&frame)?;
    ensure!(outcome == counter, "{} in place of {}", outcome.name(), counter.name());
    Ok(())
}

/// Another program has filled the room in front of the frame.
fn no_meta(program: &Program, frame: &[u8]) -> Result<()> {
    let before = program.counters()?;
    let ctx = TestCtx { ingress_ifindex: LO, rx_queue_index: 0 };
    let run = test_run_behind(program.fd.as_fd(), &[0; MOST_META], frame, ctx)?;
    let after = program.counters()?;
    ensure!(run.action == XDP_DROP, "action {}", run.action);
    for counter in Counter::all() {
        let more = after.frames(counter) - before.frames(counter);
        ensure!(more == u64::from(counter == Counter::NoMeta), "{more} {}", counter.name());
    }
    Ok(())
}

#[test]
fn every_outcome_is_counted_once_under_its_own_name() -> Result<()> {
    root_or_skip!();
    for counter in Counter::all() {
        let mut program = Program::load()?;
        injected(&mut program, counter).with_context(|| counter.name())?;
    }
    Ok(())
}

#[test]
fn what_the_program_drops_has_the_same_name_everywhere() -> Result<()> {
    for counter in Counter::all() {
        let steered_or_passed = matches!(
            counter,
            Counter::Steered
                | Counter::PassedHost
                | Counter::PassedFallback
                | Counter::PassedGroup
                | Counter::PassedUnknown
                | Counter::PassedBridge
        );
        let reason = Reason::from_name(counter.name());
        ensure!(reason.is_none() == steered_or_passed, "{}: {reason:?}", counter.name());
    }
    Ok(())
}
