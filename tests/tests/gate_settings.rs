//! A port's settings at the gate, changed while it is served: they apply to the next frame.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use system_tests::bed::Family;
use system_tests::drive::ping_all;
use system_tests::gate::{self, Marked, PLAIN, marked, passed, steered, wait_steered};
use system_tests::ledger;
use system_tests::observer::Observer;
use system_tests::traffic::{ping, raw};
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Guest, Weir, root_or_skip};

/// A bed whose frames are steered, so that nothing on it remains to be learned.
fn known(bed: &Bed) -> Result<Weir> {
    let weir = gate::start(bed)?;
    ping_all(bed)?;
    wait_steered(&weir, bed.guest(0)?, bed.guest(1)?)?;
    Ok(weir)
}

fn set(weir: &Weir, guest: &Guest, to: &Value) -> Result<()> {
    weir.patch(&json!({"ports": {guest.port.as_str(): to}})).map(drop)
}

/// Sends broadcasts from a guest: returns how many were held back, and how many passed.
fn broadcasts(weir: &Weir, from: &Guest, count: usize) -> Result<(u64, u64)> {
    let numbers = || -> Result<(u64, u64)> {
        let stats = weir.assert_ledger()?;
        Ok((ledger::port_lost(&stats, &from.port, "storm"), passed(weir, &from.port)?))
    };
    let before = numbers()?;
    gate::send(from, &marked(from.mac(), [0xff; 6], &[]), count)?;
    let after = numbers()?;
    Ok((after.0 - before.0, after.1 - before.1))
}

#[test]
fn a_storm_is_held_to_what_the_port_is_told() -> Result<()> {
    root_or_skip!();
    const FRAMES: u64 = 3000;
    /// The smallest burst.
    const BURST: u64 = 64;
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = known(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let (kept, flooded) = broadcasts(&weir, one, FRAMES as usize)?;
    ensure!((kept, flooded) == (0, FRAMES), "by default: {kept} held, {flooded} passed");

    let began = Instant::now();
    set(&weir, one, &json!({"storm": 1}))?;
    let (kept, flooded) = broadcasts(&weir, one, FRAMES as usize)?;
    let most = BURST + 2 + began.elapsed().as_secs();
    ensure!(kept + flooded == FRAMES, "{kept} held, {flooded} passed");
    ensure!((1..=most).contains(&flooded), "{flooded} passed of at most {most}");
    // No other guest is limited, nor are frames for a known station.
    let (kept, _) = broadcasts(&weir, two, FRAMES as usize)?;
    ensure!(kept == 0, "{kept} of another port were held");
    let frame = marked(one.mac(), two.mac(), &[]);
    Marked { from: one, frame: &frame, seen: PLAIN }.reach(&weir, &[two], &[])?;

    set(&weir, one, &json!({"storm": 0}))?;
    let (kept, flooded) = broadcasts(&weir, one, 3 * FRAMES as usize)?;
    ensure!((kept, flooded) == (0, 3 * FRAMES), "without: {kept} held, {flooded} passed");
    weir.stop()
}

#[test]
fn the_gate_knows_as_many_addresses_of_a_port_as_it_is_told() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = known(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let count = |name: &str| -> Result<u64> {
        Ok(weir.stats()?.port(&one.port).map_or(0, |port| port.counter(name)))
    };
    set(&weir, one, &json!({"addresses": 2}))?;
    for station in 1..=4 {
        let from = [0x02, 0, 0, 0, 0x99, station];
        gate::send(one, &marked(from, two.mac(), &[]), 1)?;
    }
    wait_ok(gate::SOON, "addresses beyond the limit", || {
        let (kept, refused) = (count("addresses")?, count("addresses_refused")?);
        ensure!(kept == 2 && refused >= 3, "{kept} kept, {refused} refused");
        Ok(())
    })?;
    set(&weir, one, &json!({"addresses": null}))?;
    wait_ok(Duration::from_secs(60), "all addresses", || {
        let kept = count("addresses")?;
        ensure!(kept == 5, "{kept} kept");
        Ok(())
    })?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn bpdus_pass_where_the_port_may_send_them() -> Result<()> {
    root_or_skip!();
    const FRAMES: usize = 20;
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = known(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let seen = Observer::matching(two, 0, [0x01, 0x80, 0xc2, 0x00])?;
    let mut bpdu = vec![0x42, 0x42, 0x03];
    bpdu.extend([0; 36]);
    let to_bridges = [0x01, 0x80, 0xc2, 0, 0, 0];
    let frame = raw::frame(to_bridges, one.mac(), &[], bpdu.len() as u16, &bpdu);
    let dropped =
        || -> Result<u64> { Ok(ledger::port_lost(&weir.assert_ledger()?, &one.port, "reserved")) };
    gate::send(one, &frame, FRAMES)?;
    ensure!(dropped()? == FRAMES as u64, "{} of a guest were dropped", dropped()?);
    // A bridge without a spanning tree forwards them.
    set(&weir, one, &json!({"reserved": "pass"}))?;
    gate::send(one, &frame, FRAMES)?;
    seen.wait_exactly(FRAMES as u64, "BPDUs at the other guest")?;
    set(&weir, one, &json!({"reserved": null}))?;
    gate::send(one, &frame, FRAMES)?;
    ensure!(dropped()? == 2 * FRAMES as u64, "{} were dropped in the end", dropped()?);
    seen.wait_exactly(FRAMES as u64, "BPDUs at the other guest")?;
    weir.stop()
}

#[test]
fn rules_of_the_host_are_ignored_where_the_port_is_told_to() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = known(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let says = |words: &str| {
        wait_ok(gate::SOON, words, || {
            let port = weir.ports()?.port(&one.port).cloned();
            let problem = port.and_then(|port| port.problem).unwrap_or_default();
            ensure!(problem.starts_with(words), "{problem}");
            Ok(())
        })
    };
    bed.host.tc(&format!("qdisc add dev {} root pfifo", one.port))?;
    says("left to the bridge: `v1` has the queueing discipline pfifo")?;
    let before = steered(&weir, &two.port)?;
    ping(&two.ns, one.addr(Family::V4), 3)?;
    let now = steered(&weir, &two.port)?;
    ensure!(now == before, "{} frames went past the rule", now - before);

    set(&weir, one, &json!({"foreign-rules": "ignore"}))?;
    let before = steered(&weir, &two.port)?;
    ping(&two.ns, one.addr(Family::V4), 3)?;
    let now = steered(&weir, &two.port)?;
    ensure!(now >= before + 3, "{} frames were steered", now - before);
    says("ignored, as it is told: `v1` has the queueing discipline pfifo")?;
    weir.assert_ledger()?;
    weir.stop()
}
