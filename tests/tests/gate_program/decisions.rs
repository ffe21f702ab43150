//! The gate in the kernel against `decide` in user space: same frame, same tables, same decision, and
//! the same cell for the program behind.

use anyhow::{Context, Result, ensure};
use system_tests::root_or_skip;
use weir_abi::{Counter, MAX_PORTS, Meta, Tag, gate_flags as g};

use crate::cell::CellWords;
use crate::frames::{DST, SRC, corpus, monotonic_ns};
use crate::rig::Rig;
use crate::world::{Shot, World};
use crate::worlds::{IN, Noise, OUT, base, lengths, own_addresses, random_world, vlans, with};

/// Runs a frame both ways, and compares all results.
fn same(rig: &mut Rig, world: &World, shot: &Shot) -> Result<Counter> {
    let decision = world.decide(IN, shot);
    let before = monotonic_ns()?;
    let (outcome, cell) = rig.gate(&shot.linear, shot.beside, shot.gso_size)?;
    let after = monotonic_ns()?;
    ensure!(outcome == decision.outcome, "{outcome:?}, expected {decision:?}");
    let seen = Rig::words_of(&world.asked.seen.borrow());
    ensure!(rig.marked()? == seen, "who was seen");
    let places = i64::from(decision.places);
    let queue = u32::from(world.ports[&IN].queue);
    if outcome != Counter::Steered {
        ensure!(cell == CellWords::default(), "a cell for {outcome:?}");
        ensure!(rig.room(IN.into())? == 0, "room for {outcome:?}");
        return Ok(outcome);
    }
    ensure!(rig.room(IN.into())? == places && rig.room(MAX_PORTS + queue)? == places);
    let meta = cell.meta();
    ensure!((before..=after).contains(&meta.ingress_ns), "the clock");
    let v = &decision.verdict;
    let len = shot.linear.len() as u32 + if decision.tag.is_some() { 4 } else { 0 };
    let expected = Meta {
        egress: decision.egress,
        gso_size: decision.gso_size,
        gso_type: decision.gso_kind,
        ..Meta::new(v, meta.ingress_ns, len, IN)
    };
    let csum_len = if v.looks_partial() { v.csum_len } else { 0 };
    let expected = CellWords::new(&expected, csum_len, decision.tag, decision.places.into());
    ensure!(cell == expected, "{cell:?} of {meta:?}, expected {expected:?}");
    Ok(outcome)
}

/// Whether the kernel accepts such a frame for a run: it wants something behind the Ethernet header,
/// and an IP packet's header whole. (Behind a tag it checks nothing, so cut headers occur there.)
fn may_run(frame: &[u8]) -> bool {
    frame.len()
        >= match frame.get(12..14) {
            Some([0x08, 0x00]) => 34,
            Some([0x86, 0xdd]) => 54,
            _ => 15,
        }
}

#[test]
fn corpus_and_every_truncation_are_decided_as_in_user_space() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let locked = with(base(), g::MAC_LOCK | g::IP_LOCK);
    let mut own = own_addresses(with(base(), g::MAC_LOCK | g::IP_LOCK));
    own.macs.insert((IN, SRC));
    let mut trunk = vlans();
    trunk.vlans.insert((OUT, 100), false);
    let worlds = [base(), locked, own, own_addresses(with(trunk, g::IP_LOCK))];
    let mut outcomes = std::collections::BTreeSet::new();
    for (at, world) in worlds.iter().enumerate() {
        rig.publish(world)?;
        for (name, frame) in corpus()? {
            for len in lengths(&frame).filter(|len| may_run(&frame[..*len])) {
                let shot = Shot::of(&frame[..len]);
                let outcome = same(&mut rig, world, &shot);
                outcomes.insert(outcome.with_context(|| format!("world {at}, {name}, {len}"))?);
            }
        }
    }
    for expected in [Counter::Steered, Counter::Spoofed, Counter::Malformed, Counter::PassedBridge]
    {
        ensure!(outcomes.contains(&expected), "{outcomes:?}");
    }
    Ok(())
}

#[test]
fn tags_beside_the_frame_are_decided_as_in_user_space() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let tags =
        [(0x8100, 200), (0x8100, 0xf0c8), (0x8100, 100), (0x8100, 0), (0x88a8, 200), (0x8100, 201)];
    for world in [base(), vlans(), own_addresses(with(vlans(), g::IP_LOCK))] {
        rig.publish(&world)?;
        for (name, frame) in corpus()? {
            for (proto, tci) in tags {
                if !may_run(&frame) {
                    continue;
                }
                let shot = Shot { beside: Some(Tag { proto, tci }), ..Shot::of(&frame) };
                same(&mut rig, &world, &shot)
                    .with_context(|| format!("{name} {proto:x} {tci:x}"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn random_tables_are_read_as_in_user_space() -> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let mut noise = Noise(2026);
    let frames: Vec<_> = corpus()?.into_iter().filter(|(_, frame)| may_run(frame)).collect();
    let mut outcomes = std::collections::BTreeMap::new();
    for round in 0..1_500 {
        let world = random_world(&mut noise);
        rig.publish(&world)?;
        for _ in 0..8 {
            let (name, frame) = &frames[noise.below(frames.len() as u64) as usize];
            let mut shot = Shot::of(frame);
            let group = [1, 0x80, 0xc2, 0, 0, noise.of(&[0, 15, 16])];
            let other = noise.of(&[[2, 0, 0, 0, 0, 9], [2, 7, 7, 7, 7, 7], [0xff; 6], group]);
            shot.linear[..6].copy_from_slice(if noise.one_in(3) { &other } else { &DST });
            shot.linear[6..12].copy_from_slice(if noise.one_in(8) { &other } else { &SRC });
            if noise.one_in(2) {
                let tci = noise.of(&[0, 63, 100, 200, 4094]) | noise.of(&[0, 0xe000]);
                let proto = noise.of(&[0x8100, 0x8100, 0x8100, 0x88a8]);
                shot.beside = Some(Tag { proto, tci });
            }
            // The kind is unknown: the kernel's test run sets none.
            shot.gso_size = if noise.one_in(10) { 100 } else { 0 };
            let outcome = same(&mut rig, &world, &shot);
            let outcome =
                outcome.with_context(|| format!("round {round}, {name}: {world:?} {shot:?}"))?;
            *outcomes.entry(outcome).or_insert(0) += 1;
        }
    }
    for counter in Counter::all() {
        let native_only = counter == Counter::NoMeta;
        ensure!(outcomes.contains_key(&counter) != native_only, "{}: {outcomes:?}", counter.name());
    }
    Ok(())
}
