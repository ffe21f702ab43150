//! An operator's settings of the bridge apply to frames that the gate decides, from the moment of the
//! change on, and at each further change.

use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use system_tests::bed::Family;
use system_tests::drive::udp_exact;
use system_tests::gate::{self, Marked, PLAIN, marked, steered, wait_steered};
use system_tests::observer::Observer;
use system_tests::traffic::echo;
use system_tests::traffic::raw::RawSocket;
use system_tests::{Bed, BedSpec, Guest, Weir, ledger, root_or_skip, wait_for};

/// Asserts that frames from one guest's address to another's arrive, or do not.
fn passes(weir: &Weir, from: &Guest, to: &Guest, wanted: bool) -> Result<()> {
    let frame = marked(from.mac(), to.mac(), &[]);
    let sent = Marked { from, frame: &frame, seen: PLAIN };
    if wanted { sent.reach(weir, &[to], &[]) } else { sent.reach(weir, &[], &[to]) }
}

/// As [`passes`], once that holds.
fn comes_to_pass(weir: &Weir, from: &Guest, to: &Guest, wanted: bool) -> Result<()> {
    let what = format!("{} to {}: {wanted}", from.port, to.port);
    wait_for(gate::SOON, &what, || passes(weir, from, to, wanted).is_ok())?;
    passes(weir, from, to, wanted)
}

#[test]
fn isolated_ports_do_not_talk_to_each_other() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    wait_steered(&weir, one, two)?;
    for round in 0..3 {
        for port in ["v1", "v2"] {
            bed.host.bridge(&format!("link set dev {port} isolated on"))?;
        }
        comes_to_pass(&weir, one, two, false)?;
        passes(&weir, two, one, false)?;
        for other in [three, up] {
            wait_steered(&weir, one, other)?;
            udp_exact(one, other, Family::V4, 300, 100)?;
            udp_exact(other, two, Family::V4, 300, 100)?;
        }
        let echo = echo(&one.ns, two.addr(Family::V4), 2, &[])?;
        ensure!(echo.received == 0, "{echo:?}");
        // A port that alone is isolated reaches all others.
        let alone = if round % 2 == 0 { "v1" } else { "v2" };
        bed.host.bridge(&format!("link set dev {alone} isolated off"))?;
        wait_steered(&weir, one, two)?;
        bed.host.bridge("link set dev v1 isolated off")?;
        bed.host.bridge("link set dev v2 isolated off")?;
        wait_steered(&weir, one, two)?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_locked_port_has_only_whom_it_is_told() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    wait_steered(&weir, one, two)?;
    wait_steered(&weir, two, three)?;
    wait_steered(&weir, one, up)?;
    bed.host.bridge("link set dev v1 locked on learning off")?;
    bed.host.bridge(&format!("fdb replace {} dev v1 master static", one.mac_text()))?;
    wait_steered(&weir, one, two)?;
    let stranger = [0x02, 0, 0, 0, 7, 7];
    // An unknown station, and one that is known elsewhere.
    for source in [stranger, three.mac()] {
        for to in [two.mac(), [0xff; 6], [0x02, 0, 0, 0, 9, 9]] {
            let frame = marked(source, to, &[]);
            Marked { from: one, frame: &frame, seen: PLAIN }.reach(
                &weir,
                &[],
                &[two, three, up],
            )?;
        }
    }
    wait_steered(&weir, two, three)?;
    // Its own address is revoked and given back.
    for _ in 0..2 {
        bed.host.bridge(&format!("fdb del {} dev v1 master", one.mac_text()))?;
        comes_to_pass(&weir, one, two, false)?;
        let fdb = bed.host.bridge("fdb show br br0")?;
        let known = fdb.lines().any(|line| line.starts_with(&one.mac_text()));
        ensure!(!known, "it was authorised again by itself:\n{fdb}");
        bed.host.bridge(&format!("fdb replace {} dev v1 master static", one.mac_text()))?;
        wait_steered(&weir, one, two)?;
    }
    udp_exact(one, two, Family::V4, 300, 200)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_port_that_does_not_learn() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    bed.host.bridge("link set dev v1 learning off")?;
    // The address that it announced when it came up is forgotten.
    bed.host.ip("link set dev v1 type bridge_slave fdb_flush")?;
    let weir = gate::start(&bed)?;
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    wait_steered(&weir, two, three)?;
    // The station is unknown: frames for it go to all.
    let frame = marked(two.mac(), one.mac(), &[]);
    for _ in 0..3 {
        Marked { from: two, frame: &frame, seen: PLAIN }.reach(&weir, &[one, three, up], &[])?;
        let back = marked(one.mac(), two.mac(), &[]);
        Marked { from: one, frame: &back, seen: PLAIN }.reach(&weir, &[two], &[three, up])?;
    }
    // Now it is known, by hand.
    bed.host.bridge(&format!("fdb replace {} dev v1 master static", one.mac_text()))?;
    wait_steered(&weir, one, two)?;
    Marked { from: two, frame: &frame, seen: PLAIN }.reach(&weir, &[one], &[three, up])?;
    weir.assert_ledger()?;
    weir.stop()
}

/// A port that reflects frames for stations behind it, as needed for a switch that does not.
#[test]
fn a_port_with_hairpin() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    wait_steered(&weir, one, up)?;
    // Two stations behind the uplink.
    let other = [0x02, 0, 0, 0, 0, 201];
    gate::send(up, &marked(other, [0xff; 6], &[]), 1)?;
    let frame = marked(up.mac(), other, &[]);
    let across = Marked { from: up, frame: &frame, seen: PLAIN };
    across.reach(&weir, &[], &[up, one])?;
    bed.host.bridge("link set dev nic0 hairpin on")?;
    across.reach(&weir, &[up], &[one])?;
    wait_steered(&weir, one, up)?;
    bed.host.bridge("link set dev nic0 hairpin off")?;
    across.reach(&weir, &[], &[up, one])?;
    weir.assert_ledger()?;
    weir.stop()
}

/// Measures when frames for an address arrive at its new place, from the moment at which it sends from
/// there.
fn moves(bed: &Bed, weir: &Weir, mac: [u8; 6], to: &Guest) -> Result<Duration> {
    let up = &bed.uplink;
    let seen = Observer::matching(to, 2, mac[2..].try_into()?)?;
    let began = Instant::now();
    gate::send(to, &marked(mac, [0xff; 6], &[]), 1)?;
    let frame = marked(up.mac(), mac, &[]);
    let mut took = None;
    wait_for(gate::SOON, "the address to be where it has moved", || {
        let sent = gate::send(up, &frame, 1).is_ok();
        if sent && seen.total().is_ok_and(|total| total > 0) {
            took = Some(began.elapsed());
        }
        took.is_some()
    })?;
    let taken = steered(weir, &up.port)?;
    wait_for(gate::SOON, "frames for it to be steered", || {
        gate::send(up, &frame, 1).is_ok() && steered(weir, &up.port).is_ok_and(|now| now > taken)
    })?;
    Ok(took.unwrap_or(gate::SOON))
}

#[test]
fn an_address_that_moves_is_forwarded_within_a_second() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    wait_steered(&weir, &bed.uplink, one)?;
    let guest = [0x02, 0xaa, 0, 0, 0, 1];
    moves(&bed, &weir, guest, two)?;
    let took = moves(&bed, &weir, guest, three)?;
    ensure!(took < Duration::from_secs(1), "it took {took:?}");
    // None of them arrives at its earlier place.
    let frame = marked(bed.uplink.mac(), guest, &[]);
    Marked { from: &bed.uplink, frame: &frame, seen: PLAIN }.reach(&weir, &[three], &[one, two])?;
    weir.assert_ledger()?;
    weir.stop()
}

/// Two ports that claim one address by turns: both are reported, and no other port is disturbed.
#[test]
fn an_address_that_is_claimed_by_two_harms_nobody_else() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    wait_steered(&weir, three, up)?;
    wait_steered(&weir, one, up)?;
    let claims = [RawSocket::open(two)?, RawSocket::open(one)?];
    let frame = marked(one.mac(), up.mac(), &[]);
    claims.iter().cycle().take(400).try_for_each(|claim| claim.send(&frame))?;
    let damped = || {
        let stats = weir.stats().unwrap_or_default();
        ["v1", "v2"]
            .iter()
            .any(|port| ledger::number(&stats, port, |port| port.counter("moves_damped")) > 0)
    };
    // At the slow pace of reading the bridge.
    wait_for(gate::SOON, "moves to be damped, and counted", || {
        claims.iter().all(|claim| {
            // Others are served meanwhile.
            claim.send(&frame).is_ok() && udp_exact(three, up, Family::V4, 300, 20).is_ok()
        }) && damped()
    })?;
    // The rightful owner sends last, and has it again.
    wait_steered(&weir, one, up)?;
    weir.assert_ledger()?;
    weir.stop()
}
