//! Shedding: what is dropped is exactly what one port sends to another, known by the map `FDB`,
//! as long as that pair has its bit in the map `SHED`.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::maps::{Array, HashMap, MapData};
use aya::programs::XdpMode;
use nix::sys::socket::{setsockopt, sockopt};
use system_tests::{root_or_skip, wait_for};
use weir_abi::{Counter, FdbKey, MAX_PORTS, classify, maps, meta_flags as f, port_flags, shed};

use crate::harness::*;
use crate::veth;

const ELSE: [u8; 6] = [2, 0, 0, 0, 0, 14];
/// What `build` tags with: the outermost one counts.
const VLANS: [(u8, u16); 3] = [(0, 0), (1, 100), (2, 200)];

pub(crate) struct Maps {
    fdb: HashMap<MapData, [u8; FdbKey::LEN], u32>,
    bits: Array<MapData, shed::Row>,
}

impl Maps {
    pub(crate) fn of(program: &mut Program) -> Result<Self> {
        let mut take = |name| program.ebpf.take_map(name).context(name);
        Ok(Self { fdb: take(maps::FDB)?.try_into()?, bits: take(maps::SHED)?.try_into()? })
    }

    pub(crate) fn place(&mut self, mac: [u8; 6], vlan: u16, slot: u16) -> Result<()> {
        Ok(self.fdb.insert(FdbKey::new(mac, vlan).to_bytes(), u32::from(slot), 0)?)
    }

    pub(crate) fn set(&mut self, ingress: u16, egress: u16, on: bool) -> Result<()> {
        let mut row = self.bits.get(&ingress.into(), 0)?;
        let (word, mask) = shed::bit(egress);
        row[word] = if on { row[word] | mask } else { row[word] & !mask };
        Ok(self.bits.set(ingress.into(), row, 0)?)
    }
}

fn to(dst: [u8; 6], mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&dst);
    frame
}

#[test]
fn only_frames_for_who_is_behind_that_egress_are_shed() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut maps = Maps::of(&mut program)?;
    // Slots around each border between the words of a row.
    let slots = [0, 1, 63, 64, 127, 128, 255, 256, 511, 960, 1023];
    for (at, (tags, vlan)) in VLANS.into_iter().enumerate() {
        let frame = build(tags, at == 1, at != 0, &[1; 40])?;
        let other = to(ELSE, frame.clone());
        for (n, egress) in slots.into_iter().enumerate() {
            let neighbour = slots[(n + 1) % slots.len()];
            maps.place(DST, vlan, egress)?;
            maps.place(ELSE, vlan, neighbour)?;
            ensure!(program.outcome(&frame)? == Counter::Steered, "nothing is shed yet");
            maps.set(SLOT, egress, true)?;
            ensure!(program.outcome(&frame)? == Counter::Shed, "{tags} tags, egress {egress}");
            ensure!(program.outcome(&other)? == Counter::Steered, "it is behind {neighbour}");
            maps.set(SLOT, neighbour, true)?;
            ensure!(program.outcome(&other)? == Counter::Shed);
            maps.set(SLOT, egress, false)?;
            ensure!(program.outcome(&frame)? == Counter::Steered, "at once");
            ensure!(program.outcome(&other)? == Counter::Shed, "its bit still stands");
            maps.set(SLOT, neighbour, false)?;
        }
    }
    Ok(())
}

#[test]
fn a_destination_is_known_in_its_own_vlan_only() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut maps = Maps::of(&mut program)?;
    maps.set(SLOT, 9, true)?;
    for (_, known) in VLANS {
        maps.place(DST, known, 9)?;
        for (tags, vlan) in VLANS {
            let frame = build(tags, false, false, &[1; 40])?;
            let expected = if vlan == known { Counter::Shed } else { Counter::Steered };
            ensure!(program.outcome(&frame)? == expected, "{tags} tags, known in {known}");
        }
        maps.fdb.remove(&FdbKey::new(DST, known).to_bytes())?;
    }
    // The inner tag of two says nothing, and neither does a priority.
    maps.place(DST, 100, 9)?;
    ensure!(program.outcome(&build(2, false, false, &[1; 40])?)? == Counter::Steered);
    let mut urgent = build(1, false, false, &[1; 40])?;
    urgent[14] |= 0xe0;
    ensure!(program.outcome(&urgent)? == Counter::Shed);
    // A tag with a priority and no identifier is as good as none.
    maps.place(DST, 0, 9)?;
    maps.fdb.remove(&FdbKey::new(DST, 100).to_bytes())?;
    urgent[14..16].copy_from_slice(&[0xe0, 0]);
    ensure!(program.outcome(&urgent)? == Counter::Shed);
    Ok(())
}

#[test]
fn group_and_unknown_destinations_are_never_shed() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut maps = Maps::of(&mut program)?;
    maps.bits.set(SLOT.into(), [u64::MAX; shed::ROW_WORDS], 0)?;
    for (tags, vlan) in VLANS {
        let frame = build(tags, false, false, &[1; 40])?;
        ensure!(program.outcome(&frame)? == Counter::Steered, "unknown");
        for group in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
            maps.place(group, vlan, 9)?;
            let (meta, _) = program.steered(&to(group, frame.clone()))?;
            ensure!(meta.flags & f::MULTICAST != 0);
        }
        // A slot that cannot be has no bit.
        maps.place(DST, vlan, MAX_PORTS as u16)?;
        ensure!(program.outcome(&frame)? == Counter::Steered);
        maps.place(DST, vlan, 9)?;
        ensure!(program.outcome(&frame)? == Counter::Shed);
    }
    Ok(())
}

#[test]
fn one_port_is_not_shed_for_another() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut maps = Maps::of(&mut program)?;
    let frame = build(0, false, true, &[1; 40])?;
    maps.place(DST, 0, 9)?;
    for ingress in 0..MAX_PORTS {
        maps.bits.set(ingress, [u64::MAX; shed::ROW_WORDS], 0)?;
    }
    maps.bits.set(SLOT.into(), [0; shed::ROW_WORDS], 0)?;
    ensure!(program.outcome(&frame)? == Counter::Steered);
    Ok(())
}

#[test]
fn a_moved_address_is_shed_by_its_new_place() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut maps = Maps::of(&mut program)?;
    let frame = build(1, true, true, &[1; 40])?;
    maps.set(SLOT, 200, true)?;
    maps.place(DST, 100, 9)?;
    ensure!(program.outcome(&frame)? == Counter::Steered);
    maps.place(DST, 100, 200)?;
    ensure!(program.outcome(&frame)? == Counter::Shed);
    maps.place(DST, 100, 10)?;
    ensure!(program.outcome(&frame)? == Counter::Steered);
    maps.set(SLOT, 10, true)?;
    maps.set(SLOT, 200, false)?;
    ensure!(program.outcome(&frame)? == Counter::Shed);
    maps.fdb.remove(&FdbKey::new(DST, 100).to_bytes())?;
    ensure!(program.outcome(&frame)? == Counter::Steered, "forgotten");
    Ok(())
}

#[test]
fn what_is_named_otherwise_keeps_its_name_while_everything_is_shed() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut maps = Maps::of(&mut program)?;
    maps.bits.set(SLOT.into(), [u64::MAX; shed::ROW_WORDS], 0)?;
    for (_, vlan) in VLANS {
        for mac in [DST, HOST, BRIDGE] {
            maps.place(mac, vlan, 9)?;
        }
    }
    for flags in [port_flags::MAC_LOCK, port_flags::IP_LOCK] {
        program.set_port(LO, flags)?;
        for (tags, _) in VLANS {
            let frame = build(tags, false, true, &[1; 40])?;
            ensure!(program.outcome(&frame)? == Counter::Spoofed);
            for host in [HOST, BRIDGE] {
                ensure!(program.outcome(&to(host, frame.clone()))? == Counter::PassedHost);
            }
        }
    }
    program.set_port(LO, port_flags::BRIDGED)?;
    let frame = build(0, false, true, &[1; 40])?;
    ensure!(program.outcome(&frame)? == Counter::Shed);
    ensure!(program.outcome(&to([0xff; 6], frame.clone()))? == Counter::PassedHost);
    ensure!(program.outcome(&frame[..50])? == Counter::Malformed);
    // Without a socket as well: the worker that set the bit is the one to clear it.
    program.close_slot()?;
    ensure!(program.outcome(&frame)? == Counter::Shed);
    Ok(())
}

#[test]
fn every_kind_of_frame_is_shed_whole_and_once() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut maps = Maps::of(&mut program)?;
    maps.set(SLOT, 9, true)?;
    let mut frames = corpus()?;
    for len in [1400, 4000, 9000, 60000] {
        let mut frame = build(0, false, true, &vec![9; len])?;
        make_partial(&mut frame)?;
        frames.push((format!("{len} bytes of payload"), frame));
    }
    for flags in [0, port_flags::SKB_MODE] {
        program.set_port(LO, flags)?;
        for (name, frame) in &frames {
            let Ok(v) = classify(&frame[..]) else { continue };
            let expected = if v.is(f::MULTICAST) { Counter::Steered } else { Counter::Shed };
            maps.place(v.dst, v.vlan, 9)?;
            // `run` looks that one counter went up by one frame of that length.
            ensure!(program.outcome(frame)? == expected, "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_guest_that_sends_is_shed_in_both_modes_until_the_bit_is_cleared() -> Result<()> {
    root_or_skip!();
    const PEER: [u8; 6] = [2, 0, 0, 0, 9, 2];
    for (bed, mode) in [(920, XdpMode::Skb), (921, XdpMode::Driver)] {
        let mut program = Program::load()?;
        let mut maps = Maps::of(&mut program)?;
        maps.place(PEER, 0, 70)?;
        maps.set(SLOT, 70, true)?;
        let (guest, _host) = veth(bed, &mut program, mode)?;
        let socket = guest.run(|| Ok(UdpSocket::bind("10.9.0.1:0")?))?;
        socket.connect("10.9.0.2:9")?;
        let frames = |counter| program.counters().map(|c| c.frames(counter));
        ensure!(socket.send(&[7; 1000])? == 1000);
        wait_for(Duration::from_secs(5), "a frame to be shed", || {
            frames(Counter::Shed).is_ok_and(|n| n == 1)
        })?;
        // In skb mode these arrive as one superframe, and count as one frame.
        setsockopt(&socket, sockopt::UdpGsoSegment, &1400)?;
        ensure!(socket.send(&[7; 7000])? == 7000);
        let whole = matches!(mode, XdpMode::Skb);
        let more = if whole { 1 } else { 5 };
        wait_for(Duration::from_secs(5), "the rest to be shed", || {
            frames(Counter::Shed).is_ok_and(|n| n == 1 + more)
        })?;
        let counters = program.counters()?;
        ensure!(counters.superframes == 0 && counters.partial_completed == 0, "before they cost");
        maps.set(SLOT, 70, false)?;
        ensure!(socket.send(&[7; 1000])? == 1000);
        wait_for(Duration::from_secs(5), "a frame to get through", || {
            program.counters().is_ok_and(|c| c.partial_completed > 0)
        })?;
        ensure!(frames(Counter::Shed)? == 1 + more, "no more of them");
    }
    Ok(())
}
