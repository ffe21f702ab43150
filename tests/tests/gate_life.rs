//! Weir, the bridge, ports or weir's own pair end while frames are under way. Every loss has a reason,
//! the remaining parts forward, and the messages are clear.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use system_tests::bed::{BRIDGE, Family, GUEST_IF};
use system_tests::drive::{Flow, ping_all, reachable, udp_exact};
use system_tests::gate::{self, start, wait_steered};
use system_tests::traffic::{Rate, Source, ping};
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec, kept, ledger, root_or_skip, wait_for};

/// The outer end of weir's own pair.
fn outer(bed: &Bed) -> Result<String> {
    let links = bed.host.ip("-br link show type veth")?;
    let mut names = links.lines().filter_map(|line| line.split(['@', ' ']).next());
    names.find(|name| name.starts_with("w0-")).map(str::to_owned).context("there is no pair")
}

/// In either lane, and whatever its links are.
#[test]
fn a_stop_under_load_loses_nothing() -> Result<()> {
    root_or_skip!();
    for lane in ["scheduled", "auto"] {
        let bed = BedSpec::vms(3).bridge().build()?;
        let dir = tempfile::tempdir()?;
        let spec = WeirSpec::bridge().lane(lane);
        let weir = Weir::start_in(&bed, &spec, dir.path())?;
        bed.ports().iter().try_for_each(|port| weir.wait_port(port, &["up"]))?;
        let (one, two) = (bed.guest(0)?, bed.guest(1)?);
        wait_known(&weir, one, two)?;
        ensure!(bed.host.is_attached("v1")?, "the gate is not there");
        let settings = || -> Result<String> {
            Ok(bed.host.ethtool("-k v1")? + &one.ns.ethtool(&format!("-k {GUEST_IF}"))?)
        };
        let before = settings()?;
        let flow = Flow::start(one, two, 5000)?;
        let said = weir.end_and_listen(Signal::SIGTERM)?;
        flow.comes(500)?;
        let (sent, came) = flow.stop()?;
        let stopped = said.lines().find(|line| line.contains("stopped: received"));
        let stopped = stopped.context("no sum")?;
        ensure!(!stopped.contains("NOT balanced"), "{stopped}");
        ensure!(number(stopped, "lost ") == Some(0), "{stopped}");
        ensure!(sent == came, "{came} of {sent} came, but\n{stopped}");
        // The bridge has the ports; the pair waits for the next weir.
        for port in bed.ports() {
            ensure!(!bed.host.is_attached(&port)?, "something is left on {port}");
        }
        ensure!(settings()? == before, "settings were changed");
        let pair = bed.host.ifindex(&outer(&bed)?)?;
        let weir = Weir::start_in(&bed, &spec, dir.path())?;
        wait_known(&weir, one, two)?;
        ensure!(bed.host.ifindex(&outer(&bed)?)? == pair, "a new pair was made");
        weir.assert_ledger()?;
        weir.stop()?;
    }
    Ok(())
}

/// Waits until frames between two guests go by the gate, in either lane.
fn wait_known(weir: &Weir, one: &Guest, two: &Guest) -> Result<()> {
    wait_for(gate::SOON, "frames to go by the gate", || {
        let gone = || -> Result<u64> {
            let stats = weir.stats()?;
            Ok(ledger::number(&stats, "v1", |port| port.rx.frames))
        };
        let before = gone().unwrap_or(u64::MAX);
        ping(&one.ns, two.addr(Family::V4), 1).is_ok() && gone().is_ok_and(|now| now > before)
    })
}

fn number(text: &str, before: &str) -> Option<u64> {
    let (_, rest) = text.split_once(before)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn killed_under_load_and_started_again() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    let pair = bed.host.ifindex(&outer(&bed)?)?;
    let flow = Flow::start(one, two, 2000)?;
    weir.kill9()?;
    // By the bridge.
    flow.comes(500)?;
    ping_all(&bed)?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    flow.comes(500)?;
    wait_steered(&weir, one, two)?;
    ensure!(bed.host.ifindex(&outer(&bed)?)? == pair, "a new pair was made");
    let (sent, came) = flow.stop()?;
    // The frames in its rings are lost, and no more: half a second's at the very most.
    ensure!(sent - came < 1000, "{came} of {sent} came");
    weir.assert_ledger()?;
    weir.stop()
}

/// weir must report it and end; its ports forward, and the next weir makes the pair again.
fn without_the_pair(harm: impl FnOnce(&Bed) -> Result<()>, told: &str) -> Result<()> {
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    let flow = Flow::start(one, two, 2000)?;
    harm(&bed)?;
    let said = weir.wait_end()?;
    ensure!(said.contains(told), "no `{told}`:\n{said}");
    let stopped = said.lines().find(|line| line.contains("stopped: received")).context("no sum")?;
    ensure!(!stopped.contains("NOT balanced"), "{stopped}");
    flow.comes(500)?;
    let (sent, came) = flow.stop()?;
    let lost = number(stopped, "lost ").context("no loss is told")?;
    ensure!(sent - came <= lost, "{came} of {sent} came, but\n{stopped}");
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    wait_steered(&weir, one, two)?;
    udp_exact(one, two, Family::V6, 500, 300)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn the_pair_deleted_under_load() -> Result<()> {
    root_or_skip!();
    let delete = |bed: &Bed| bed.host.ip(&format!("link del {}", outer(bed)?)).map(drop);
    without_the_pair(delete, "of weir's own pair of devices is gone")
}

#[test]
fn the_pair_set_down_under_load() -> Result<()> {
    root_or_skip!();
    let down = |bed: &Bed| bed.host.ip(&format!("link set {} down", outer(bed)?)).map(drop);
    without_the_pair(down, "of weir's own pair of devices was set down")
}

/// Without its mount the namespace lives as long as weir: it goes on, and reports it.
#[test]
fn the_pairs_namespace_unmounted_under_load() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    let flow = Flow::start(one, two, 2000)?;
    let mount = format!("/run/weir/netns/{}", outer(&bed)?.replacen("w0", "w1", 1));
    nix::mount::umount2(mount.as_str(), nix::mount::MntFlags::MNT_DETACH)?;
    weir.wait_said("was taken away")?;
    flow.comes(500)?;
    flow.lost_nothing()?;
    weir.assert_ledger()?;
    weir.stop()?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    wait_steered(&weir, one, two)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_port_moved_to_another_bridge() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    bed.host.ip("link add br1 type bridge mcast_snooping 0")?;
    bed.host.ip("link set br1 up")?;
    let weir = start(&bed)?;
    let (one, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    wait_steered(&weir, one, two)?;
    wait_steered(&weir, one, three)?;
    let flow = Flow::start(one, &bed.uplink, 2000)?;
    for _ in 0..2 {
        let towards = Flow::start(one, three, 1000)?;
        bed.host.ip("link set dev v3 master br1")?;
        weir.wait_port("v3", &["absent", "gone"])?;
        towards.stop()?;
        ensure!(!bed.host.is_attached("v3")?, "its program is still there");
        // It is in another network now: no station here reaches it.
        ensure!(ping(&one.ns, three.addr(Family::V4), 1).is_err(), "it still answers");
        bed.host.ip(&format!("link set dev v3 master {BRIDGE}"))?;
        weir.wait_port("v3", &["up"])?;
        reachable(one, three, gate::SOON)?;
        wait_steered(&weir, one, three)?;
    }
    flow.lost_nothing()?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_members_namespace_removed_under_load() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(3).bridge().build()?;
    let weir = start(&bed)?;
    wait_steered(&weir, bed.guest(0)?, bed.guest(1)?)?;
    wait_steered(&weir, bed.guest(0)?, bed.guest(2)?)?;
    let flow = Flow::start(bed.guest(0)?, bed.guest(1)?, 2000)?;
    let to = bed.guest(2)?.socket(Family::V4, 9000);
    let towards = Source { rate: Rate::pps(5000), ..Source::to(to) }.start(&bed.guest(0)?.ns)?;
    let from = bed.guest(1)?.socket(Family::V4, 9001);
    let backwards =
        Source { rate: Rate::pps(5000), ..Source::to(from) }.start(&bed.guest(2)?.ns)?;
    wait_for(gate::SOON, "load", || towards.so_far() > 500 && backwards.so_far() > 500)?;
    // Its sockets hold the namespace: they go with it.
    drop(backwards);
    drop(bed.guests.pop());
    weir.wait_port("v3", &["absent", "gone"])?;
    flow.comes(500)?;
    drop(towards);
    flow.lost_nothing()?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_bridge_deleted_under_load() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    let flow = Flow::start(one, two, 2000)?;
    bed.host.ip(&format!("link del {BRIDGE}"))?;
    weir.wait_said("the bridge was deleted")?;
    for port in ["v1", "v2"] {
        weir.wait_port(port, &["absent", "gone"])?;
        ensure!(!bed.host.is_attached(port)?, "something is left on {port}");
    }
    weir.assert_ledger()?;
    flow.stop()?;
    // It comes back.
    bed.host.ip(&format!("link add {BRIDGE} type bridge mcast_snooping 0"))?;
    bed.host.ip(&format!("link set {BRIDGE} up"))?;
    for port in bed.ports() {
        bed.host.ip(&format!("link set dev {port} master {BRIDGE}"))?;
    }
    wait_for(gate::SOON, "the ports to be served again", || {
        bed.ports().iter().all(|port| weir.port_state(port).is_ok_and(|state| state == "up"))
    })
    .with_context(|| weir.said())?;
    wait_steered(&weir, one, two).with_context(|| weir.said())?;
    weir.assert_ledger()?;
    weir.stop()
}

/// Another process detaches the gate from a port: its frames go by the bridge until the gate is
/// attached again.
#[test]
fn a_gate_that_was_taken_off_is_attached_again() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    let ours = bed.host.tcx_programs("v1")?;
    let flow = Flow::start(one, two, 2000)?;
    let ifindex = bed.host.ifindex("v1")?;
    kept::links(&bed.host)?.get(&ifindex).context("no link is kept")?.detach()?;
    weir.wait_said("its gate program was detached from outside")?;
    wait_for(gate::SOON, "the gate", || bed.host.tcx_programs("v1").is_ok_and(|now| now == ours))?;
    weir.wait_port("v1", &["up"])?;
    flow.comes(500)?;
    flow.lost_nothing()?;
    wait_steered(&weir, one, two)?;
    // No loss of any other port is reported.
    let said = weir.said();
    ensure!(said.matches("program was detached").count() == 1, "{said}");
    weir.assert_ledger()?;
    weir.stop()
}
