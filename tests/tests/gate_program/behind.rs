//! Behind the gate: the verdict in front of the frame, its tag inserted, its checksum completed; and
//! the outcome of frames that cannot reach a worker.

use anyhow::{Context, Result, ensure};
use system_tests::root_or_skip;
use weir_abi::{MAX_PORTS, Meta, PortCounters, Tag, Verdict, classify, meta_flags as f};
use weir_port::probe::test_run_behind;

use crate::cell::CellWords;
use crate::frames::{XDP_DROP, build, combinations, make_partial};
use crate::rig::Rig;
use crate::world::with_tag;
use crate::worlds::{IN, OUT, QUEUE, base};

const TAG: Tag = Tag { proto: Tag::DOT1Q, tci: 100 };
const PLACES: u64 = 3;
/// The most metadata that the kernel allows in front of a frame.
const MOST_META: usize = 216;

fn rig() -> Result<Rig> {
    let mut rig = Rig::load()?;
    rig.publish(&base())?;
    Ok(rig)
}

fn parse(frame: &[u8]) -> Result<Verdict> {
    classify(frame).ok().context("malformed")
}

/// The cell that the gate leaves for a frame that arrives as `wire`, with or without that tag beside
/// it.
fn cell(wire: &[u8], tag: Option<Tag>) -> Result<CellWords> {
    let v = parse(wire)?;
    let meta = Meta { egress: OUT, ..Meta::new(&v, 12_345, wire.len() as u32, IN) };
    let csum_len = if v.looks_partial() { v.csum_len } else { 0 };
    Ok(CellWords::new(&meta, csum_len, tag, PLACES))
}

/// Changes of the counters other than outcomes: none of those changes here.
fn changed(rig: &Rig, before: &PortCounters) -> Result<[u64; 4]> {
    let after = rig.counters()?;
    ensure!(
        after.frames == before.frames && after.bytes == before.bytes,
        "outcomes are the gate's"
    );
    Ok([
        after.partial_completed - before.partial_completed,
        after.partial_left - before.partial_left,
        after.behind_no_meta - before.behind_no_meta,
        after.behind_no_socket - before.behind_no_socket,
    ])
}

fn room(rig: &Rig) -> Result<[i64; 2]> {
    Ok([rig.room(IN.into())?, rig.room(MAX_PORTS + u32::from(QUEUE))?])
}

#[test]
fn the_verdict_is_in_front_and_the_checksum_as_etherparse_computes_it() -> Result<()> {
    root_or_skip!();
    let mut rig = rig()?;
    let noise: Vec<u8> =
        (0u32..8000).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (tags, v6, tcp) in combinations() {
        for len in (0..150).chain((150..1440).step_by(17)).chain([2047, 2048, 3000, 3400]) {
            let what = format!("tags {tags} v6 {v6} tcp {tcp} payload {len}");
            let right = build(tags, v6, tcp, &noise[len / 2..][..len])?;
            let mut wire = right.clone();
            make_partial(&mut wire)?;
            // The outermost tag is VLAN 100 or 200; it comes beside the frame, or in it.
            let outer = parse(&wire)?.vlan;
            let without = [&wire[..12], &wire[16..]].concat();
            let proto = u16::from_be_bytes([wire[12], wire[13]]);
            let beside = Some(Tag { proto, tci: outer }).filter(|_| outer != 0);
            for tag in [None, beside] {
                let enters = if tag.is_some() { &without } else { &wire };
                rig.fill(cell(&wire, tag)?)?;
                let before = rig.counters()?;
                let (meta, data) = rig.behind_steered(enters).with_context(|| what.clone())?;
                let v = parse(&right)?;
                let mut expected = Meta::new(&v, 12_345, right.len() as u32, IN);
                expected.flags |= f::CSUM_COMPLETED;
                expected.egress = OUT;
                ensure!(meta == expected, "{what}: {meta:?}, expected {expected:?}");
                ensure!(data == right, "{what}");
                ensure!(changed(&rig, &before)? == [1, 0, 0, 0], "{what}");
            }
            // A right checksum stays, and none is counted.
            rig.fill(cell(&right, None)?)?;
            let before = rig.counters()?;
            let (meta, data) = rig.behind_steered(&right).with_context(|| what.clone())?;
            ensure!(meta.flags & (f::CSUM_COMPLETED | f::CSUM_PARTIAL) == 0 && data == right);
            ensure!(changed(&rig, &before)? == [0; 4], "{what}");
        }
    }
    Ok(())
}

#[test]
fn what_is_too_long_to_complete_says_so() -> Result<()> {
    root_or_skip!();
    let mut rig = rig()?;
    for len in [4000, 9000, 60000] {
        let mut frame = build(0, false, true, &vec![9; len])?;
        make_partial(&mut frame)?;
        for tag in [None, Some(TAG)] {
            let wire = with_tag(&frame, tag);
            rig.fill(cell(&wire, tag)?)?;
            let before = rig.counters()?;
            let (meta, data) = rig.behind_steered(&frame).with_context(|| format!("{len}"))?;
            ensure!(meta.flags & (f::CSUM_PARTIAL | f::CSUM_COMPLETED) == f::CSUM_PARTIAL);
            ensure!(meta.len as usize == wire.len() && data == wire, "{len}");
            ensure!(changed(&rig, &before)? == [0, 1, 0, 0]);
        }
    }
    Ok(())
}

#[test]
fn a_superframe_keeps_what_the_gate_said_of_it() -> Result<()> {
    root_or_skip!();
    let mut rig = rig()?;
    let mut frame = build(0, true, true, &[9; 3000])?;
    make_partial(&mut frame)?;
    let mut meta = Meta::new(&parse(&frame)?, 5, frame.len() as u32, IN);
    meta.flags |= f::GSO | f::CSUM_PARTIAL;
    (meta.gso_size, meta.gso_type, meta.egress) = (1400, 2, OUT);
    rig.fill(CellWords::new(&meta, 0, None, PLACES))?;
    let before = rig.counters()?;
    ensure!(rig.behind_steered(&frame)? == (meta, frame));
    ensure!(changed(&rig, &before)? == [0; 4], "the gate has counted it");
    Ok(())
}

#[test]
fn a_frame_without_its_verdict_is_a_stray() -> Result<()> {
    root_or_skip!();
    let mut rig = rig()?;
    let frame = build(0, false, false, &[1; 40])?;
    let wire = with_tag(&frame, Some(TAG));
    let filled = cell(&frame, None)?;
    let tagged = cell(&wire, Some(TAG))?;
    let cases = [
        ("empty", CellWords::default(), &frame[..]),
        ("one byte less", filled, &frame[..frame.len() - 1]),
        ("one tag more", filled, &wire),
        ("a tag counted that does not come", tagged, &wire),
        ("another frame's", cell(&wire, None)?, &frame),
    ];
    for (name, cell, enters) in cases {
        rig.fill(cell)?;
        let (strays, before, held) = (rig.strays()?, rig.counters()?, room(&rig)?);
        let run = rig.behind(enters)?;
        ensure!(run.action == XDP_DROP, "{name}: action {}", run.action);
        ensure!(run.data == enters && run.meta.is_empty(), "{name}: changed");
        ensure!(rig.strays()? == strays + 1 && rig.counters()? == before, "{name}");
        ensure!(room(&rig)? == held, "{name}: whose room it was is not known");
        // The next frame does not profit, either.
        ensure!(rig.behind(&frame)?.action == XDP_DROP && rig.strays()? == strays + 2, "{name}");
    }
    // A verdict is used once.
    rig.fill(filled)?;
    rig.behind_steered(&frame)?;
    ensure!(rig.behind(&frame)?.action == XDP_DROP);
    Ok(())
}

#[test]
fn without_a_socket_the_frame_is_lost_by_name_and_its_room_given_back() -> Result<()> {
    root_or_skip!();
    let mut rig = rig()?;
    let frame = build(0, false, false, &[1; 40])?;
    // The worker goes between the gate and here.
    ensure!(rig.gate(&frame, None, 0)?.0 == weir_abi::Counter::Steered);
    ensure!(room(&rig)? == [1, 1]);
    let mut world = base();
    world.workers.clear();
    let filled = rig.cell()?;
    rig.publish(&world)?;
    rig.fill(filled)?;
    let before = rig.counters()?;
    let run = rig.behind(&frame)?;
    ensure!(run.action == XDP_DROP, "action {}", run.action);
    ensure!(changed(&rig, &before)? == [0, 0, 0, 1]);
    ensure!(room(&rig)? == [0, 0], "its room is given back");
    Ok(())
}

#[test]
fn without_room_in_front_the_frame_is_lost_by_name_and_its_room_given_back() -> Result<()> {
    root_or_skip!();
    let mut rig = rig()?;
    let frame = build(0, false, false, &[1; 40])?;
    for tag in [None, Some(TAG)] {
        let filled = cell(&with_tag(&frame, tag), tag)?;
        ensure!(rig.gate(&frame, None, 0)?.0 == weir_abi::Counter::Steered);
        let held = room(&rig)?;
        rig.fill(filled)?;
        let before = rig.counters()?;
        let run = test_run_behind(rig.behind_fd(), &[0; MOST_META], &frame, Rig::ctx())?;
        ensure!(run.action == XDP_DROP, "action {}", run.action);
        ensure!(changed(&rig, &before)? == [0, 0, 1, 0]);
        let given = held.map(|n| n - PLACES as i64);
        ensure!(room(&rig)? == given, "{:?} of {held:?}", room(&rig)?);
    }
    Ok(())
}

/// The room of a steered frame stays taken until the worker gives it back.
#[test]
fn a_frame_that_arrives_keeps_its_room() -> Result<()> {
    root_or_skip!();
    let mut rig = rig()?;
    let frame = build(0, false, false, &[1; 40])?;
    ensure!(rig.gate(&frame, None, 0)?.0 == weir_abi::Counter::Steered);
    rig.behind_steered(&frame)?;
    ensure!(room(&rig)? == [1, 1]);
    Ok(())
}
