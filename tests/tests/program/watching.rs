//! Watching: a frame that is not steered is reported, byte for byte, if its outcome was asked for, and
//! no other frame is; a full ring counts its losses.

use anyhow::{Context, Result, ensure};
use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use system_tests::root_or_skip;
use weir_abi::table::entry_flags;
use weir_abi::watch::{RING_BYTES, UNSTEERED_LEN, Unsteered, WATCH_BYTES, bit};
use weir_abi::{Counter, gate_flags as g, maps};

use crate::frames::*;
use crate::nic::Nic;
use crate::worlds::{IN, OUT, base, own_addresses, with};

const HOST: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];

struct Maps {
    wanted: Array<MapData, u64>,
    told: RingBuf<MapData>,
    missed: PerCpuArray<MapData, u64>,
}

impl Maps {
    fn of(nic: &mut Nic) -> Result<Self> {
        let mut take = |name| nic.rig.ebpf.take_map(name).context(name);
        Ok(Self {
            wanted: take(maps::WATCH)?.try_into()?,
            told: take(maps::UNSTEERED)?.try_into()?,
            missed: take(maps::WATCH_MISSED)?.try_into()?,
        })
    }

    fn want(&mut self, outcomes: &[Counter]) -> Result<()> {
        let mask = outcomes.iter().fold(0, |mask, outcome| mask | bit(*outcome));
        Ok(self.wanted.set(IN.into(), mask, 0)?)
    }

    fn next(&mut self) -> Option<(Unsteered, Vec<u8>)> {
        let entry = self.told.next()?;
        let (head, bytes) = Unsteered::read(&entry)?;
        Some((head, bytes.to_vec()))
    }

    fn missed(&self) -> Result<u64> {
        Ok(self.missed.get(&IN.into(), 0)?.iter().sum())
    }
}

#[test]
fn what_is_not_steered_is_told_to_who_asked_for_it() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let mut maps = Maps::of(&mut nic)?;
    let mut world = own_addresses(with(base(), g::IP_LOCK));
    world.addresses.insert((HOST, 0), (OUT, entry_flags::LOCAL));
    nic.publish(&world)?;
    let good = build(1, false, true, &[7; 300])?;
    let malformed = good[..30].to_vec();
    let mut for_host = good.clone();
    for_host[..6].copy_from_slice(&HOST);
    for frame in [&good, &malformed, &for_host] {
        nic.run(frame)?;
    }
    ensure!(maps.next().is_none(), "told without being asked");
    maps.want(&[Counter::Malformed, Counter::Spoofed])?;
    let before = monotonic_ns()?;
    for frame in [&good, &malformed, &for_host] {
        nic.run(frame)?;
    }
    let after = monotonic_ns()?;
    let (head, bytes) = maps.next().context("nothing was told")?;
    ensure!(head.counter() == Some(Counter::Malformed) && head.port == IN, "{head:?}");
    ensure!(head.len as usize == malformed.len() && bytes == malformed, "{head:?}");
    ensure!((before..=after).contains(&head.at_ns), "the clock");
    ensure!(maps.next().is_none(), "what was not asked for was told");
    maps.want(&[Counter::PassedHost])?;
    for frame in [&good, &malformed, &for_host] {
        nic.run(frame)?;
    }
    let (head, bytes) = maps.next().context("nothing was told")?;
    ensure!(head.counter() == Some(Counter::PassedHost) && bytes == for_host, "{head:?}");
    ensure!(maps.next().is_none() && maps.missed()? == 0);
    Ok(())
}

#[test]
fn every_length_is_told_as_far_as_it_fits() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let mut maps = Maps::of(&mut nic)?;
    nic.publish(&with(base(), g::MAC_LOCK))?;
    maps.want(&[Counter::Spoofed])?;
    for len in (14..200).chain([WATCH_BYTES - 1, WATCH_BYTES, WATCH_BYTES + 1, 3000]) {
        let mut frame: Vec<u8> = (0..len).map(|at| (at * 7 % 251) as u8).collect();
        frame[..6].copy_from_slice(&DST);
        ensure!(nic.outcome(&frame)? == Counter::Spoofed);
        let (head, bytes) = maps.next().with_context(|| format!("{len} was not told"))?;
        ensure!(head.len as usize == len && bytes == frame[..len.min(WATCH_BYTES)], "{head:?}");
    }
    Ok(())
}

#[test]
fn a_full_ring_counts_what_it_lost_and_goes_on_when_it_is_read() -> Result<()> {
    root_or_skip!();
    let mut nic = Nic::load()?;
    let mut maps = Maps::of(&mut nic)?;
    nic.publish(&with(base(), g::MAC_LOCK))?;
    maps.want(&[Counter::Spoofed])?;
    let frame = build(0, false, false, &[1; 1400])?;
    // An entry has a header of the kernel's own in front.
    let fits = RING_BYTES as usize / (8 + (UNSTEERED_LEN + frame.len()).next_multiple_of(8));
    let sent = fits as u64 + 50;
    for _ in 0..sent {
        ensure!(nic.outcome(&frame)? == Counter::Spoofed);
    }
    let told = std::iter::from_fn(|| maps.next()).count() as u64;
    ensure!(told > 0 && told + maps.missed()? == sent, "{told} + {}", maps.missed()?);
    nic.outcome(&frame)?;
    ensure!(maps.next().is_some(), "it does not go on");
    Ok(())
}
