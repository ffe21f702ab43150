//! The gate's bounds: places in the receive ring, and frames that the bridge floods.

use anyhow::{Result, ensure};
use system_tests::root_or_skip;
use weir_abi::gate::BELIEVED_NS;
use weir_abi::{Counter, MAX_PORTS, RX_PLACES, Storm, gate_flags as g};

use crate::frames::{DST, SRC, build, monotonic_ns};
use crate::rig::Rig;
use crate::worlds::{IN, OUT, QUEUE, base, with};

#[test]
fn a_source_may_hold_what_is_left_for_the_others() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    rig.publish(&base())?;
    let frame = build(0, false, false, &[1; 40])?;
    rig.gate(&frame, None, 0)?;
    let (own, all) = (u32::from(IN), MAX_PORTS + u32::from(QUEUE));
    let ring = RX_PLACES as i64;
    let (half, third) = (ring / 2, ring / 3);
    // The places that the source holds, and that all hold; whether it gets one more.
    let cases = [
        (0, 0, true),
        (half - 1, half, true),
        (half, half, false),
        (third - 1, 2 * third, true),
        (third + 1, 2 * third + 1, false),
        (0, ring - 1, true),
        (0, ring, false),
        (ring - 1, 0, true),
        (ring, 0, false),
        // A worker's corrections came early: a negative count means that nothing is held, not a huge number.
        (-1, -1, true),
        (-5, ring - 1, true),
        (-5, ring, false),
        (0, ring + 7, false),
    ];
    for (held, total, room) in cases {
        rig.set_room(own, held)?;
        rig.set_room(all, total)?;
        let (outcome, _) = rig.gate_again(&frame, None, 0)?;
        let expected = if room { Counter::Steered } else { Counter::RxShare };
        ensure!(outcome == expected, "{held} of {total}: {outcome:?}");
        let more = i64::from(room);
        ensure!(rig.room(own)? == held + more && rig.room(all)? == total + more);
    }
    Ok(())
}

/// By the time in the map, of the worker that serves the source and of the one that serves the link.
#[test]
fn a_worker_that_has_said_nothing_for_half_a_second_gets_nothing() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let mut world = base();
    world.ports.entry(OUT).and_modify(|port| port.queue = 5);
    let frame = build(0, false, false, &[1; 40])?;
    const MS: u64 = 1_000_000;
    for fallback in [Counter::PassedFallback, Counter::DroppedFallback] {
        rig.publish(&world)?;
        for queue in [QUEUE, 5] {
            // The gate's clock is a few milliseconds behind, and this machine may be busy.
            for (ago_ms, fresh) in [(0, true), (200, true), (600, false), (5000, false)] {
                let outcome = loop {
                    let now = monotonic_ns()?;
                    rig.set_beat(queue, now - ago_ms * MS)?;
                    let outcome = rig.gate(&frame, None, 0)?.0;
                    if monotonic_ns()? - now < 200 * MS {
                        break outcome;
                    }
                };
                let expected = if fresh { Counter::Steered } else { fallback };
                ensure!(outcome == expected, "{ago_ms} ms ago, queue {queue}: {outcome:?}");
                ensure!(fresh || rig.room(IN.into())? == 0, "room for {outcome:?}");
            }
            rig.set_beat(queue, 0)?;
            ensure!(rig.gate(&frame, None, 0)?.0 == fallback, "it is gone");
            rig.set_beat(queue, monotonic_ns()? + 60_000 * MS)?;
            ensure!(rig.gate(&frame, None, 0)?.0 == Counter::Steered, "ahead of the gate's clock");
        }
        world.ports.entry(IN).and_modify(|port| port.flags |= g::FALLBACK_DROP);
    }
    Ok(())
}

#[test]
fn floods_pass_by_their_burst_and_are_dropped_beyond() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let mut world = base();
    // One a second: none falls due while this runs.
    let storm = Storm { frame_ns: 1_000_000_000, burst: 4 };
    world.ports.entry(IN).and_modify(|port| port.storm = storm);
    world.addresses.remove(&(DST, 0));
    rig.publish(&world)?;
    let unknown = build(0, false, false, &[1; 40])?;
    let group = [&[0xff; 6], &unknown[6..]].concat();
    ensure!(rig.gate(&unknown, None, 0)?.0 == Counter::PassedUnknown, "1");
    for n in 2..=8 {
        let (frame, open) = match n % 2 {
            0 => (&group, Counter::PassedGroup),
            _ => (&unknown, Counter::PassedUnknown),
        };
        let expected = if n <= storm.burst { open } else { Counter::Storm };
        let (outcome, _) = rig.gate_again(frame, None, 0)?;
        ensure!(outcome == expected, "{n}: {outcome:?}");
    }
    // Frames for known stations do not count.
    world.addresses.insert((SRC, 0), (IN, 0));
    world.addresses.insert((DST, 0), (IN, 0));
    rig.publish(&world)?;
    ensure!(rig.gate_again(&unknown, None, 0)?.0 == Counter::PassedBridge);
    ensure!(rig.gate_again(&group, None, 0)?.0 == Counter::Storm);
    Ok(())
}

/// By the time in the map: with tables that were not vouched for in time, frames go by the bridge, and
/// only the locks apply.
#[test]
fn tables_that_nobody_vouches_for_are_not_believed() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let (world, frame) = (base(), build(0, false, false, &[1; 40])?);
    rig.publish(&world)?;
    const S: u64 = 1_000_000_000;
    let bound_s = BELIEVED_NS / S;
    let now = monotonic_ns()?;
    ensure!(now > (bound_s + 20) * S, "this machine has just started");
    for (current, believed) in [
        (now, true),
        (now - (bound_s - 20) * S, true),
        (now - (bound_s + 1) * S, false),
        (1, false),
        (0, false),
        (now + 3600 * S, true),
    ] {
        rig.set_current(current)?;
        let outcome = rig.gate(&frame, None, 0)?.0;
        let expected = if believed { Counter::Steered } else { Counter::PassedFallback };
        ensure!(outcome == expected, "at {now}, told at {current}: {outcome:?}");
    }
    rig.publish(&with(world, g::MAC_LOCK))?;
    rig.set_current(0)?;
    ensure!(rig.gate(&frame, None, 0)?.0 == Counter::Spoofed);
    Ok(())
}
