//! A flood is shed at its sender for the one link it floods, and for no other; and the shedding ends.

use anyhow::{Result, ensure};
use std::time::Duration;
use system_tests::bed::{Family, UPLINK_PORT};
use system_tests::drive::{ping_all, reachable, udp_exact};
use system_tests::observer::{Keep, Watch};
use system_tests::traffic::{Rate, Source};
use system_tests::{BedSpec, Guest, Weir, WeirSpec, ledger, root_or_skip, wait_for};
use weir_api::StatsReport;

const SOON: Duration = Duration::from_secs(10);
/// 57 Mb/s of 1442-byte frames: five times the link, and little for a ring.
const FLOOD: Rate = Rate::pps(5000);

/// Whether `from`'s frames to `to` are being shed.
fn is_shed(stats: &StatsReport, from: &str, to: &str) -> bool {
    stats.port(from).and_then(|port| port.link_to(to)).is_some_and(|link| link.shed)
}

fn shed(stats: &StatsReport, port: &str) -> u64 {
    ledger::port_lost(stats, port, "shed")
}

/// `from` floods `slow`, whose link is slow: its frames to `slow` are shed, and those to `other` are
/// not.
fn only_the_flooded_link_is_shed(
    weir: &Weir,
    from: &Guest,
    slow: &Guest,
    other: &Guest,
) -> Result<()> {
    let watch = Watch::start(slow, Keep::None)?;
    let to = slow.socket(Family::V4, 9000);
    let flood = Source { size: 1400, rate: FLOOD, ..Source::to(to) }.start(&from.ns)?;
    wait_for(SOON, "the flood to be shed", || {
        weir.stats().is_ok_and(|stats| shed(&stats, &from.port) > 100)
    })?;
    // The bound is reached repeatedly; one of the readings finds the bit set.
    wait_for(SOON, "the link to be reported as shed", || {
        weir.stats().is_ok_and(|stats| is_shed(&stats, &from.port, &slow.port))
    })?;
    let before = shed(&weir.stats()?, &from.port);
    for family in [Family::V4, Family::V6] {
        udp_exact(from, other, family, 300, 500)?;
        udp_exact(other, from, family, 300, 500)?;
    }
    let stats = weir.stats()?;
    ensure!(!is_shed(&stats, &from.port, &other.port), "{stats:#?}");
    ensure!(shed(&stats, &from.port) > before, "the flood was no longer shed\n{stats:#?}");
    ensure!(shed(&stats, &other.port) == 0, "another port was shed\n{stats:#?}");
    drop(flood);
    wait_for(SOON, "the shedding to end", || {
        weir.stats().is_ok_and(|stats| !is_shed(&stats, &from.port, &slow.port))
    })?;
    ensure!(watch.from(from)?.frames > 0, "the flood was cut off, not held down");
    drop(watch);
    let shed_in_all = shed(&weir.assert_ledger()?, &from.port);
    // 1.5 Mb/s on average, far below the link.
    let source = Source { size: 300, count: 200, rate: Rate::pps(500), ..Source::to(to) };
    source.send(&from.ns)?;
    reachable(from, slow, SOON)?;
    let stats = weir.assert_ledger()?;
    ensure!(shed(&stats, &from.port) == shed_in_all, "it is shed without a flood\n{stats:#?}");
    Ok(())
}

#[test]
fn a_vms_flood_to_a_slow_uplink_is_shed_for_that_link_alone() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default().uplink_rate("10Mbit"))?;
    ping_all(&bed)?;
    bed.learn_neighbours()?;
    only_the_flooded_link_is_shed(&weir, bed.guest(0)?, &bed.uplink, bed.guest(1)?)?;
    weir.stop()
}

#[test]
fn an_inbound_flood_is_shed_for_its_vm_alone() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default().port("v1", "rate = \"10Mbit\""))?;
    ping_all(&bed)?;
    bed.learn_neighbours()?;
    ensure!(bed.uplink.port == UPLINK_PORT, "the bed has changed");
    only_the_flooded_link_is_shed(&weir, &bed.uplink, bed.guest(0)?, bed.guest(1)?)?;
    weir.stop()
}

#[test]
fn another_vms_flow_over_the_flooded_link_loses_nothing() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default().uplink_rate("20Mbit"))?;
    ping_all(&bed)?;
    bed.learn_neighbours()?;
    let (flooder, polite) = (bed.guest(0)?, bed.guest(1)?);
    let watch = Watch::start(&bed.uplink, Keep::Only(polite.number))?;
    let to = bed.uplink.socket(Family::V4, 9000);
    let flood = Source { size: 1400, rate: FLOOD, ..Source::to(to) }.start(&flooder.ns)?;
    wait_for(SOON, "the flood to be shed", || {
        weir.stats().is_ok_and(|stats| shed(&stats, &flooder.port) > 100)
    })?;
    // 5000 a second of 142 bytes: 5.7 Mb/s of the 10 it is owed.
    udp_exact(polite, &bed.uplink, Family::V4, 100, 2000)?;
    drop(flood);
    ensure!(watch.from(flooder)?.frames > 0, "the flood was cut off, not held down");
    let stats = weir.assert_ledger()?;
    ensure!(shed(&stats, &polite.port) == 0, "the polite VM was shed\n{stats:#?}");
    weir.stop()
}
