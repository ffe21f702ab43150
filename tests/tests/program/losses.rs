//! Injected losses in the program: one frame for each possible outcome, counted once, under that
//! outcome and under no other.

use std::os::fd::AsFd;

use anyhow::{Context, Result, ensure};
use system_tests::root_or_skip;
use weir_abi::table::entry_flags;
use weir_abi::{Counter, Storm, gate_flags as g};
use weir_core::Reason;
use weir_port::probe::test_run_behind;

use crate::frames::*;
use crate::nic::Nic;
use crate::rig::Rig;
use crate::worlds::{IN, OUT, base, with};

/// The most metadata that the kernel allows in front of a frame.
const MOST_META: usize = 216;

/// Runs one frame that must have this outcome. A new outcome does not compile until it is injected.
fn injected(nic: &mut Nic, counter: Counter) -> Result<()> {
    let frame = build(0, false, false, &[1; 40])?;
    let to = |dst: [u8; 6]| [&dst[..], &frame[6..]].concat();
    let mut world = base();
    let frame = match counter {
        Counter::Steered => frame,
        Counter::PassedHost => {
            world.addresses.insert((DST, 0), (OUT, entry_flags::LOCAL));
            frame
        }
        Counter::PassedGroup => to([0xff; 6]),
        Counter::PassedUnknown => {
            world.addresses.remove(&(DST, 0));
            frame
        }
        Counter::PassedBridge => {
            world.ports.entry(OUT).and_modify(|port| port.flags = 0);
            frame
        }
        Counter::PassedFallback => {
            world.workers.clear();
            frame
        }
        Counter::DroppedFallback => {
            world = with(world, g::FALLBACK_DROP);
            world.workers.clear();
            frame
        }
        Counter::Malformed => {
            world = with(world, g::IP_LOCK);
            frame[..20].to_vec()
        }
        Counter::Spoofed => {
            world = with(world, g::MAC_LOCK);
            frame
        }
        Counter::Shed => {
            world.shed.insert((IN, OUT));
            frame
        }
        Counter::Reserved => to([1, 0x80, 0xc2, 0, 0, 2]),
        Counter::Storm => {
            world.storm = true;
            let storm = Storm { frame_ns: 1_000_000_000, burst: 1 };
            world.ports.entry(IN).and_modify(|port| port.storm = storm);
            to([0xff; 6])
        }
        Counter::NoMeta => return no_meta(nic, &frame),
        // Outcomes of the gate alone: `tests/tests/gate_program`.
        Counter::RxShare | Counter::Express => return Ok(()),
    };
    nic.publish(&world)?;
    // `outcome` asserts that one counter rose, by one.
    let outcome = nic.outcome(&frame)?;
    ensure!(outcome == counter, "{} in place of {}", outcome.name(), counter.name());
    Ok(())
}

/// Another program has filled the room in front of the frame.
fn no_meta(nic: &Nic, frame: &[u8]) -> Result<()> {
    let before = nic.rig.counters()?;
    let run = test_run_behind(nic.rig.native.as_fd(), &[0; MOST_META], frame, Rig::ctx())?;
    let after = nic.rig.counters()?;
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
        let mut nic = Nic::load()?;
        injected(&mut nic, counter).with_context(|| counter.name())?;
    }
    Ok(())
}

#[test]
fn what_the_program_drops_has_the_same_name_everywhere() -> Result<()> {
    for counter in Counter::all() {
        let steered_or_passed = matches!(
            counter,
            Counter::Steered
                | Counter::Express
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
