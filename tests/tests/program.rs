//! The native program, loaded and run on crafted frames: it decides in the driver as the gate does at
//! its hook and the core in user space, and its verdict is the parser's.
//!
//! Most frames enter through `BPF_PROG_TEST_RUN`, which returns the outcome; the counters have its
//! name. The frames seem to come from `lo`, to which nothing is attached.

#[path = "gate_program/cell.rs"]
#[allow(dead_code, reason = "the gate's own tests' as well")]
mod cell;
#[path = "program/frames.rs"]
mod frames;
#[path = "program/losses.rs"]
mod losses;
#[path = "program/nic.rs"]
mod nic;
#[path = "gate_program/rig.rs"]
#[allow(dead_code, reason = "the gate's own tests' as well")]
mod rig;
#[path = "program/shedding.rs"]
mod shedding;
#[path = "program/watching.rs"]
mod watching;
#[path = "../../xdp-ebpf/abi/tests/gate/world.rs"]
#[allow(dead_code, reason = "the decision's own tests' as well")]
mod world;
#[path = "gate_program/worlds.rs"]
mod worlds;

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::programs::{Xdp, xdp::XdpMode};
use system_tests::{Ns, root_or_skip, wait_for};
use weir_abi::{Counter, Frame as _, Meta, classify, gate_flags as g, maps, meta_flags as f};
use weir_port::probe::test_run;

use frames::*;
use nic::Nic;
use rig::Rig;
use world::{Shot, World};
use worlds::{IN, Noise, OUT, base, lengths, own_addresses, random_world, vlans, with};

/// Runs a frame both ways, and compares all results.
fn same(nic: &Nic, world: &World, frame: &[u8]) -> Result<Counter> {
    let shot = Shot { native: true, ..Shot::of(frame) };
    let decision = world.decide(IN, &shot);
    // A tag in a frame of several buffers could only be changed by copying: such frames are the
    // bridge's.
    let retagged = decision.outcome == Counter::Steered && decision.tag != shot.tag();
    let expected = if retagged { Counter::PassedBridge } else { decision.outcome };
    nic.rig.refill()?;
    let before = monotonic_ns()?;
    let (run, outcome) = nic.run(frame)?;
    let after = monotonic_ns()?;
    ensure!(outcome == expected, "{outcome:?}, expected {decision:?}");
    let seen = Rig::words_of(&world.asked.seen.borrow());
    ensure!(nic.rig.marked()? == seen, "who was seen");
    if outcome == Counter::Steered {
        let meta = Meta::from_bytes(run.meta.as_slice().try_into()?);
        ensure!((before..=after).contains(&meta.ingress_ns), "the clock");
        let v = classify(frame).ok().context("malformed")?;
        check_steered(frame, &v, decision.egress, (&meta, &run.data))?;
    }
    Ok(outcome)
}

#[test]
fn corpus_and_every_truncation_are_decided_as_in_user_space() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let locked = with(base(), g::MAC_LOCK | g::IP_LOCK);
    let mut own = own_addresses(with(base(), g::MAC_LOCK | g::IP_LOCK));
    own.macs.insert((IN, SRC));
    let worlds = [base(), locked, own, own_addresses(with(vlans(), g::IP_LOCK))];
    let mut outcomes = BTreeSet::new();
    for (at, world) in worlds.iter().enumerate() {
        nic.publish(world)?;
        for (name, frame) in corpus()? {
            // The kernel accepts no run of less than an Ethernet header.
            for len in lengths(&frame).filter(|len| *len >= 14) {
                let outcome = same(&nic, world, &frame[..len]);
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
fn random_tables_are_read_as_in_user_space() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let mut noise = Noise(2027);
    let frames = corpus()?;
    let mut outcomes = BTreeSet::new();
    for round in 0..1_500 {
        // The port has a ring of its own: the shared one's room does not matter. Nor is there an
        // express lane.
        let world = World { full: false, unsettled: true, ..random_world(&mut noise) };
        nic.publish(&world)?;
        for _ in 0..8 {
            let (name, frame) = &frames[noise.below(frames.len() as u64) as usize];
            if frame.len() < 14 {
                continue;
            }
            let mut frame = frame.clone();
            let group = [1, 0x80, 0xc2, 0, 0, noise.of(&[0, 15, 16])];
            let other = noise.of(&[[2, 0, 0, 0, 0, 9], [2, 7, 7, 7, 7, 7], [0xff; 6], group]);
            frame[..6].copy_from_slice(if noise.one_in(3) { &other } else { &DST });
            frame[6..12].copy_from_slice(if noise.one_in(8) { &other } else { &SRC });
            let outcome = same(&nic, &world, &frame);
            outcomes.insert(outcome.with_context(|| format!("round {round}, {name}: {world:?}"))?);
        }
    }
    for counter in Counter::all() {
        // Outcomes of the shared ring, of the gate, and one that needs a driver without room.
        let impossible = matches!(counter, Counter::RxShare | Counter::Express | Counter::NoMeta);
        ensure!(outcomes.contains(&counter) != impossible, "{}: {outcomes:?}", counter.name());
    }
    Ok(())
}

#[test]
fn a_frame_that_would_leave_with_another_tag_is_the_bridges() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let (plain, tagged) = (build(0, false, true, &[1; 40])?, build(1, false, true, &[1; 40])?);
    // VLAN 100 comes untagged, and leaves as it came, tagged or not.
    for (entry, leaves, frame, expected) in [
        (true, true, &plain, Counter::Steered),
        (true, false, &plain, Counter::PassedBridge),
        (false, false, &tagged, Counter::Steered),
        (false, true, &tagged, Counter::PassedBridge),
    ] {
        let mut world = vlans();
        world.vlans.extend([((IN, 100), entry), ((OUT, 100), leaves)]);
        nic.publish(&world)?;
        ensure!(nic.outcome(frame)? == expected, "{entry} {leaves}");
    }
    Ok(())
}

#[test]
fn partial_checksums_are_completed_as_etherparse_computes_them() -> Result<()> {
    root_or_skip!();
    let nic = Nic::load()?;
    // Random enough, and the same every time.
    let noise: Vec<u8> =
        (0u32..8000).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (tags, v6, tcp) in combinations() {
        for len in (0..150).chain((150..1440).step_by(7)).chain([2047, 2048, 3000, 3400]) {
            let right = build(tags, v6, tcp, &noise[len / 2..][..len])?;
            let mut frame = right.clone();
            make_partial(&mut frame)?;
            let what = || format!("tags {tags} v6 {v6} tcp {tcp} payload {len}");
            let (meta, data) = nic.steered(&frame).with_context(what)?;
            ensure!(meta.flags & f::CSUM_COMPLETED != 0, "{} not completed", what());
            ensure!(data == right, "{} completed wrong", what());
            let (_, data) = nic.steered(&right).with_context(what)?;
            ensure!(data == right, "{} was right before", what());
        }
    }
    Ok(())
}

#[test]
fn a_right_checksum_that_looks_partial_stays_right() -> Result<()> {
    root_or_skip!();
    let nic = Nic::load()?;
    for (tags, v6, tcp) in combinations() {
        for len in [2, 24, 25, 100, 1400] {
            // The first two bytes of the payload supply what the sum lacks to be right.
            let mut payload = vec![0x5a; len];
            payload[..2].fill(0);
            let mut frame = build(tags, v6, tcp, &payload)?;
            make_partial(&mut frame)?;
            let v = classify(&frame[..]).ok().context("malformed")?;
            let at = frame.len() - len;
            let missing = 0xffff - residue(&frame, &v);
            frame[at..at + 2].copy_from_slice(&missing.to_be_bytes());
            ensure!(residue(&frame, &v) == 0xffff, "no such payload");
            let (meta, data) = nic.steered(&frame)?;
            ensure!(meta.flags & f::CSUM_COMPLETED != 0, "it does look partial");
            ensure!(data == frame, "tags {tags} v6 {v6} tcp {tcp} {len}");
        }
    }
    Ok(())
}

#[test]
fn long_frames_keep_their_partial_checksum_and_say_so() -> Result<()> {
    root_or_skip!();
    let nic = Nic::load()?;
    for len in [4000, 9000, 30000, 60000] {
        let mut frame = build(0, false, true, &vec![9; len])?;
        make_partial(&mut frame)?;
        let (meta, data) = nic.steered(&frame).with_context(|| format!("{len}"))?;
        ensure!(meta.flags & f::CSUM_PARTIAL != 0 && meta.flags & f::CSUM_COMPLETED == 0);
        ensure!(meta.len as usize == frame.len() && data == frame, "{len}");
    }
    Ok(())
}

#[test]
fn frames_without_a_socket_are_left_as_they_are() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    nic.set_socket(false)?;
    let mut frame = build(0, false, false, &[1; 40])?;
    make_partial(&mut frame)?;
    // `run` checks that a frame that is not steered is unchanged: the kernel still holds its checksum
    // for partial, and would spoil a completed one.
    ensure!(nic.outcome(&frame)? == Counter::PassedFallback);
    nic.publish(&with(base(), g::FALLBACK_DROP))?;
    nic.set_socket(false)?;
    ensure!(nic.outcome(&frame)? == Counter::DroppedFallback);
    nic.set_socket(true)?;
    ensure!(nic.outcome(&frame)? == Counter::Steered);
    Ok(())
}

#[test]
fn only_frames_of_ports_are_looked_at() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let frame = build(0, false, false, &[1; 40])?;
    let untouched = |nic: &Nic| {
        let before = nic.rig.counters()?;
        let run = test_run(nic.rig.native.as_fd(), &frame, Rig::ctx())?;
        ensure!(run.action == XDP_PASS && run.data == frame && nic.rig.counters()? == before);
        anyhow::Ok(())
    };
    // The slot belongs to another interface meanwhile; it is vacant; the interface has no slot.
    nic.rig.set_ifindex(IN, 77);
    untouched(&nic)?;
    nic.rig.set_ifindex(IN, 0);
    untouched(&nic)?;
    nic.publish(&base())?;
    ensure!(nic.outcome(&frame)? == Counter::Steered);
    nic.rig.forget()?;
    untouched(&nic)
}

/// A guest at [`SRC`] behind a veth whose other end has the program, as the port of the rig; the caller
/// must keep the second namespace.
fn veth(bed: u32, nic: &mut Nic) -> Result<(Ns, Ns)> {
    let guest = Ns::create(bed, "g")?;
    let host = Ns::create(bed, "h")?;
    guest.ip(&format!("link add g0 type veth peer name h0 netns {}", host.name()))?;
    guest.ip("link set g0 address 02:00:00:00:00:05")?;
    host.ip("link set h0 up")?;
    guest.ip("link set g0 up")?;
    guest.ip("addr add 10.9.0.1/24 dev g0")?;
    guest.ip("addr add fd09::1/64 dev g0 nodad")?;
    guest.ip("neigh add 10.9.0.2 lladdr 02:00:00:00:00:0d dev g0")?;
    guest.ip("neigh add fd09::2 lladdr 02:00:00:00:00:0d dev g0")?;
    nic.rig.stand_at(host.ifindex("h0")?)?;
    let xdp: &mut Xdp =
        nic.rig.ebpf.program_mut(maps::PROGRAM).context("no such program")?.try_into()?;
    host.run(|| Ok(xdp.attach("h0", XdpMode::Driver)?))?;
    Ok((guest, host))
}

#[test]
fn a_guests_partial_checksums_are_completed_in_the_driver() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let (guest, _host) = veth(911, &mut nic)?;
    for (from, to) in [("10.9.0.1:0", "10.9.0.2:9"), ("[fd09::1]:0", "[fd09::2]:9")] {
        let socket = guest.run(|| Ok(UdpSocket::bind(from)?))?;
        socket.connect(to)?;
        let before = nic.rig.counters()?;
        ensure!(socket.send(&[7; 1400])? == 1400);
        wait_for(Duration::from_secs(5), "the datagram", || {
            nic.rig.counters().is_ok_and(|c| {
                c.partial_completed > before.partial_completed
                    && c.frames(Counter::Steered) > before.frames(Counter::Steered)
            })
        })?;
    }
    Ok(())
}
