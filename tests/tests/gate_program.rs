//! The gate and the program behind it, loaded and run on crafted frames: the gate decides in the
//! kernel as in user space, and the frame that its worker gets is what the bridge would have sent.
//!
//! Frames enter through `BPF_PROG_TEST_RUN` and seem to come from `lo`, to which nothing is attached.
//! Both programs of a frame run on the CPU that the test is pinned to, as in one soft interrupt.

#[path = "gate_program/behind.rs"]
mod behind;
#[path = "gate_program/cell.rs"]
mod cell;
#[path = "gate_program/decisions.rs"]
mod decisions;
#[path = "gate_program/express.rs"]
mod express;
#[path = "program/frames.rs"]
#[allow(dead_code, reason = "the native program's as well")]
mod frames;
#[path = "gate_program/limits.rs"]
mod limits;
#[path = "program/nic.rs"]
#[allow(dead_code, reason = "the native program's own tests' as well")]
mod nic;
#[path = "gate_program/rig.rs"]
#[allow(dead_code, reason = "the native program's as well")]
mod rig;
#[path = "../../xdp-ebpf/abi/tests/gate/world.rs"]
#[allow(dead_code, reason = "the decision's own tests' as well")]
mod world;
#[path = "gate_program/worlds.rs"]
mod worlds;

use anyhow::{Result, ensure};
use system_tests::root_or_skip;
use weir_abi::{Counter, Meta, Tag, classify, gate_flags as g, meta_flags as f};

use frames::{check_steered, corpus};
use nic::Nic;
use rig::Rig;
use world::{Shot, with_tag};
use worlds::{IN, OUT, base, vlans};

/// Compares the results of all four for a frame: the parser in user space, the native program, the gate
/// alone, and the gate with the program behind it.
#[test]
fn gate_native_program_and_parser_give_one_verdict() -> Result<()> {
    root_or_skip!();
    let (native, mut rig) = (Nic::load()?, Rig::load()?);
    rig.publish(&base())?;
    let mut compared = 0;
    for (name, frame) in corpus()? {
        let Ok(v) = classify(&frame[..]) else { continue };
        if v.is(f::MULTICAST) || frame.len() < 15 {
            continue;
        }
        let what = || name.clone();
        let (outcome, cell) = rig.gate(&frame, None, 0)?;
        ensure!(outcome == Counter::Steered, "{}: {outcome:?}", what());
        let at_gate = cell.meta();
        ensure!(
            at_gate
                == Meta {
                    egress: OUT,
                    ..Meta::new(&v, at_gate.ingress_ns, frame.len() as u32, IN)
                }
        );
        let (meta, data) = rig.behind_steered(&frame)?;
        ensure!(meta.ingress_ns == at_gate.ingress_ns, "{}", what());
        check_steered(&frame, &v, OUT, (&meta, &data))?;
        let (natives, native_data) = native.steered(&frame)?;
        ensure!(Meta { ingress_ns: meta.ingress_ns, ..natives } == meta, "{}", what());
        ensure!(native_data == data, "{}", what());
        compared += 1;
    }
    ensure!(compared > 50, "{compared}");
    Ok(())
}

/// From the gate to the worker, with tags that stay, are added and removed: the verdict is the parser's
/// of the bytes that arrive, and they are the frame's with that tag.
#[test]
fn the_worker_gets_the_frame_with_the_tag_it_leaves_with() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let tag = |tci| Some(Tag { proto: Tag::DOT1Q, tci });
    let service = Some(Tag { proto: 0x88a8, tci: 7 });
    let (mut filters, mut trunk) = (vlans(), vlans());
    trunk.vlans.extend([((OUT, 100), false), ((OUT, 200), false)]);
    filters.vlans.extend([((OUT, 100), true), ((OUT, 200), true)]);
    let cases = [
        (base(), tag(0xe064), tag(0xe064)),
        (base(), service, service),
        (vlans(), tag(0x20c8), tag(0x20c8)),
        (trunk, None, tag(100)),
        (filters, tag(200), None),
    ];
    let mut compared = 0;
    for (world, enters, leaves) in cases {
        rig.publish(&world)?;
        for (name, frame) in corpus()? {
            let Ok(inner) = classify(&frame[..]) else { continue };
            if inner.is(f::MULTICAST) || inner.is(f::TAGGED2) || frame.len() < 15 {
                continue;
            }
            let (outcome, _) = rig.gate(&frame, enters, 0)?;
            ensure!(outcome == Counter::Steered, "{name}: {outcome:?}");
            let wire = with_tag(&frame, leaves);
            let Ok(v) = classify(&wire[..]) else { anyhow::bail!("{name}: malformed by its tag") };
            let (meta, data) = rig.behind_steered(&frame)?;
            check_steered(&wire, &v, OUT, (&meta, &data))?;
            compared += 1;
        }
    }
    ensure!(compared > 300, "{compared}");
    Ok(())
}

#[test]
fn only_frames_of_ports_are_looked_at() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let mut world = base();
    rig.publish(&world)?;
    let shot = Shot::of(&frames::build(0, false, false, &[1; 40])?);
    ensure!(rig.gate(&shot.linear, None, 0)?.0 == Counter::Steered);
    // The slot belongs to another interface meanwhile; it is vacant; the interface has no slot.
    rig.set_ifindex(IN, 77);
    rig.untouched(&shot.linear)?;
    rig.set_ifindex(IN, 0);
    rig.untouched(&shot.linear)?;
    world.ports.entry(IN).and_modify(|port| port.flags |= g::MAC_LOCK);
    rig.publish(&world)?;
    ensure!(rig.gate(&shot.linear, None, 0)?.0 == Counter::Spoofed);
    rig.forget()?;
    rig.untouched(&shot.linear)
}
