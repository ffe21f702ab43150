//! Shedding: exactly the frames from one port to another are dropped, as long as that pair has its bit
//! in the map `SHED`.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use system_tests::{root_or_skip, wait_for};
use weir_abi::table::entry_flags;
use weir_abi::{Counter, MAX_PORTS, classify, gate_flags as g, meta_flags as f};

use crate::frames::*;
use crate::nic::Nic;
use crate::veth;
use crate::world::World;
use crate::worlds::{IN, OUT, base, with};

const ELSE: [u8; 6] = [2, 0, 0, 0, 0, 14];

fn to(dst: [u8; 6], mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&dst);
    frame
}

/// Every port's frames are shed for every port.
fn all_shed(mut world: World) -> World {
    let egresses: Vec<u16> = world.ports.keys().copied().collect();
    world.shed.extend(egresses.into_iter().map(|egress| (IN, egress)));
    world
}

#[test]
fn only_frames_for_who_is_behind_that_egress_are_shed() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let frame = build(1, true, true, &[1; 40])?;
    let other = to(ELSE, frame.clone());
    // Slots around each border between the words of a row.
    let slots = [0, 1, 63, 64, 127, 128, 255, 256, 511, 960, 1023];
    for (n, egress) in slots.into_iter().enumerate() {
        let neighbour = slots[(n + 1) % slots.len()];
        let mut world = base();
        for (mac, slot) in [(DST, egress), (ELSE, neighbour)] {
            world.ports.insert(slot, world.ports[&OUT]);
            world.addresses.insert((mac, 0), (slot, 0));
        }
        let shed = [vec![], vec![egress], vec![egress, neighbour], vec![neighbour], vec![]];
        for now in shed {
            world.shed = now.iter().map(|egress| (IN, *egress)).collect();
            nic.publish(&world)?;
            for (frame, behind) in [(&frame, egress), (&other, neighbour)] {
                let expected = if now.contains(&behind) { Counter::Shed } else { Counter::Steered };
                ensure!(nic.outcome(frame)? == expected, "{behind} while {now:?} are shed");
            }
        }
    }
    Ok(())
}

#[test]
fn one_port_is_not_shed_for_another() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let mut world = base();
    let others = (0..MAX_PORTS as u16).filter(|ingress| *ingress != IN);
    world.shed.extend(others.map(|ingress| (ingress, OUT)));
    nic.publish(&world)?;
    ensure!(nic.outcome(&build(0, false, true, &[1; 40])?)? == Counter::Steered);
    Ok(())
}

#[test]
fn what_is_named_otherwise_keeps_its_name_while_everything_is_shed() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let frame = build(0, false, true, &[1; 40])?;
    let world = all_shed(base());
    nic.publish(&world)?;
    ensure!(nic.outcome(&frame)? == Counter::Shed);
    ensure!(nic.outcome(&to([0xff; 6], frame.clone()))? == Counter::PassedGroup);
    ensure!(nic.outcome(&to(ELSE, frame.clone()))? == Counter::PassedUnknown);
    // Without a socket as well: only the worker that set the bit clears it.
    nic.set_socket(false)?;
    ensure!(nic.outcome(&frame)? == Counter::Shed);
    for lock in [g::MAC_LOCK, g::IP_LOCK] {
        nic.publish(&all_shed(with(base(), lock)))?;
        ensure!(nic.outcome(&frame)? == Counter::Spoofed);
    }
    let mut world = all_shed(base());
    world.addresses.insert((DST, 0), (OUT, entry_flags::LOCAL));
    nic.publish(&world)?;
    ensure!(nic.outcome(&frame)? == Counter::PassedHost);
    Ok(())
}

#[test]
fn every_kind_of_frame_is_shed_whole_and_once() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let mut frames = corpus()?;
    for len in [1400, 4000, 9000, 60000] {
        let mut frame = build(0, false, true, &vec![9; len])?;
        make_partial(&mut frame)?;
        frames.push((format!("{len} bytes of payload"), frame));
    }
    nic.publish(&all_shed(base()))?;
    for (name, frame) in &frames {
        let Ok(v) = classify(&frame[..]) else { continue };
        // `run` checks that one counter rose by one frame of that length.
        let shed = nic.outcome(frame)? == Counter::Shed;
        ensure!(shed != v.is(f::MULTICAST), "{name}");
    }
    Ok(())
}

#[test]
fn a_guest_that_sends_is_shed_until_the_bit_is_cleared() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    nic.publish(&all_shed(base()))?;
    let (guest, host) = veth(921, &mut nic)?;
    let socket = guest.run(|| Ok(UdpSocket::bind("10.9.0.1:0")?))?;
    socket.connect("10.9.0.2:9")?;
    let frames = |nic: &Nic, counter| nic.rig.counters().map(|c| c.frames(counter));
    ensure!(socket.send(&[7; 1000])? == 1000);
    wait_for(Duration::from_secs(5), "a frame to be shed", || {
        frames(&nic, Counter::Shed).is_ok_and(|n| n == 1)
    })?;
    // A driver's program gets no superframes: the sender cuts them.
    setsockopt(&socket, sockopt::UdpGsoSegment, &1400)?;
    ensure!(socket.send(&[7; 7000])? == 7000);
    wait_for(Duration::from_secs(5), "the rest to be shed", || {
        frames(&nic, Counter::Shed).is_ok_and(|n| n == 6)
    })?;
    ensure!(nic.rig.counters()?.partial_completed == 0, "before they cost");
    nic.publish(&base())?;
    nic.rig.stand_at(host.ifindex("h0")?)?;
    ensure!(socket.send(&[7; 1000])? == 1000);
    wait_for(Duration::from_secs(5), "a frame to get through", || {
        nic.rig.counters().is_ok_and(|c| c.partial_completed > 0)
    })?;
    ensure!(frames(&nic, Counter::Shed)? == 6, "no more of them");
    Ok(())
}
