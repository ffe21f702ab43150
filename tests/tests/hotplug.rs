//! Ports that come, go, and fail while traffic flows: no other port is affected.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::drive::{ping_all, reachable};
use system_tests::traffic::{Rate, Sink, Source};
use system_tests::{Bed, BedSpec, Weir, WeirSpec, root_or_skip};

const SOON: Duration = Duration::from_secs(30);

/// Runs `change` while guest 1 sends to the uplink, and asserts that every datagram arrives.
fn undisturbed(
    bed: &mut Bed,
    weir: &Weir,
    change: impl FnOnce(&mut Bed) -> Result<()>,
) -> Result<()> {
    let sink = Sink::start(&bed.uplink.ns, bed.uplink.socket(Family::V4, 0))?;
    let source = Source { rate: Rate::pps(2000), ..Source::to(sink.addr()) };
    let sending = source.start(&bed.guest(0)?.ns)?;
    sink.wait_for(200, SOON)?;
    change(bed).with_context(|| format!("weir said:\n{}", weir.said()))?;
    let so_far = sink.so_far();
    sink.wait_for(so_far + 200, SOON)?;
    let sent = sending.stop()?;
    sink.wait_for(sent.datagrams, SOON)?;
    let received = sink.finish()?;
    ensure!(
        received.unique == sent.datagrams && received.duplicates == 0,
        "of {} came {}, {} twice",
        sent.datagrams,
        received.unique,
        received.duplicates
    );
    Ok(())
}

#[test]
fn a_bridges_new_ports_are_followed_under_traffic() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(2).bridge().build()?;
    let weir = Weir::start(&bed, &WeirSpec::bridge())?;
    ping_all(&bed)?;
    undisturbed(&mut bed, &weir, |bed| {
        for _ in 0..3 {
            let index = bed.add_guest()?;
            let guest = bed.guest(index)?;
            weir.wait_port(&guest.port, &["up"])?;
            reachable(guest, &bed.uplink, SOON)?;
            reachable(guest, bed.guest(1)?, SOON)?;
            bed.unplug(index)?;
            weir.wait_port(&guest.port, &["absent", "gone"])?;
        }
        Ok(())
    })?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_port_that_leaves_the_bridge_is_let_go() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = Weir::start(&bed, &WeirSpec::bridge())?;
    ping_all(&bed)?;
    bed.host.ip("link set v2 nomaster")?;
    weir.wait_port("v2", &["absent", "gone"])?;
    ensure!(!bed.host.is_attached("v2")?, "its program is still there");
    bed.host.ip("link set v2 master br0")?;
    weir.wait_port("v2", &["up"])?;
    reachable(bed.guest(0)?, bed.guest(1)?, SOON)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_deleted_interface_is_gone_and_picked_up_when_it_returns() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    ping_all(&bed)?;
    undisturbed(&mut bed, &weir, |bed| {
        let to = bed.guest(0)?.socket(Family::V4, 9000);
        // It is deleted while it sends and while others send to it.
        let load = Source { rate: Rate::pps(5000), ..Source::to(to) }.start(&bed.guest(1)?.ns)?;
        let other = bed.guest(1)?.socket(Family::V4, 9000);
        let towards =
            Source { rate: Rate::pps(5000), ..Source::to(other) }.start(&bed.guest(2)?.ns)?;
        bed.unplug(1)?;
        weir.wait_port("v2", &["gone"])?;
        drop((load, towards));
        bed.replug(1)?;
        weir.wait_port("v2", &["up"])?;
        reachable(bed.guest(1)?, &bed.uplink, SOON)?;
        reachable(bed.guest(2)?, bed.guest(1)?, SOON)
    })?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn an_interface_set_down_is_down_and_comes_back() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    ping_all(&bed)?;
    undisturbed(&mut bed, &weir, |bed| {
        let to = bed.guest(1)?.socket(Family::V4, 9000);
        let _towards =
            Source { rate: Rate::pps(5000), ..Source::to(to) }.start(&bed.guest(2)?.ns)?;
        for _ in 0..3 {
            bed.set_port(1, "down")?;
            weir.wait_port("v2", &["down"])?;
            bed.set_port(1, "up")?;
            weir.wait_port("v2", &["up"])?;
            reachable(bed.guest(1)?, &bed.uplink, SOON)?;
        }
        Ok(())
    })?;
    weir.assert_ledger()?;
    weir.stop()
}
