//! Frames of every kind between VMs and the uplink, with the guests' default offloads.

use anyhow::{Result, ensure};
use system_tests::bed::{BRIDGE, FAMILIES, Family};
use system_tests::drive::{everybody_talks, largest_frames, udp_exact};
use system_tests::gate::{self, steered, wait_steered};
use system_tests::observer::Observer;
use system_tests::traffic::ping;
use system_tests::traffic::raw::{self, RawSocket};
use system_tests::{Bed, BedSpec, Weir, WeirSpec, ledger, need_or_skip, root_or_skip, wait_for};
use weir_api::{Attached, PortInfo};

/// An EtherType for local experiments, so that no other frames are counted.
const OURS: u16 = 0x88b5;
const MARK: [u8; 4] = [0x88, 0xb5, 0xab, 0xcd];

fn everything(bed: &Bed, spec: &WeirSpec) -> Result<()> {
    let weir = Weir::start(bed, spec)?;
    everybody_talks(bed)?;
    let stats = weir.assert_ledger()?;
    ensure!(ledger::lost_under(&stats, "malformed") == 0, "{stats:#?}");
    weir.stop()
}

#[test]
fn ping_udp_tcp_with_default_offloads() -> Result<()> {
    root_or_skip!();
    // GRO off is a veth's own default; so checksums are partial and superframes arrive.
    let bed = BedSpec { guest_gro: false, ..BedSpec::vms(2) }.build()?;
    everything(&bed, &WeirSpec::default())
}

#[test]
fn ping_udp_tcp_with_gro_guests() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    everything(&bed, &WeirSpec::default())
}

#[test]
fn ping_udp_tcp_in_native_mode() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec { mode: "native", ..WeirSpec::default() })?;
    for (from, to) in [(bed.guest(0)?, bed.guest(1)?), (bed.guest(0)?, &bed.uplink)] {
        wait_steered(&weir, from, to)?;
    }
    everybody_talks(&bed)?;
    let list = weir.ports()?;
    let served = |port: &PortInfo| port.mode == Attached::Native && port.problem.is_none();
    ensure!(!list.ports.is_empty() && list.ports.iter().all(served), "{list:#?}");
    weir.assert_ledger()?;
    weir.stop()
}

/// A driver may strip the tag before its program sees the frame.
#[test]
fn a_bridge_that_filters_vlans_has_native_ports_to_itself() -> Result<()> {
    root_or_skip!();
    need_or_skip!(gate::filters_vlans()?, gate::NO_VLANS);
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start_with(&bed, &WeirSpec { mode: "native", ..WeirSpec::bridge() })?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let says_why = || {
        let list = weir.cli_ok(&bed, "port list")?;
        anyhow::Ok(list.contains("which the driver's program cannot see"))
    };
    for _ in 0..2 {
        wait_steered(&weir, one, two)?;
        ensure!(!says_why()?, "a reason while none is left to the bridge");
        bed.host.ip(&format!("link set dev {BRIDGE} type bridge vlan_filtering 1"))?;
        wait_for(gate::SOON, "the ports to be left to the bridge", || says_why().unwrap_or(false))?;
        let before = steered(&weir, &one.port)?;
        udp_exact(one, two, Family::V4, 300, 100)?;
        ensure!(steered(&weir, &one.port)? == before, "decided by a program that sees no tags");
        bed.host.ip(&format!("link set dev {BRIDGE} type bridge vlan_filtering 0"))?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn ping_udp_tcp_over_a_bridges_ports() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    everything(&bed, &WeirSpec::bridge())
}

fn with_mtu(mtu: u32) -> Result<()> {
    let bed = BedSpec::vms(2).mtu(mtu).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    largest_frames(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn mtu_1500() -> Result<()> {
    root_or_skip!();
    with_mtu(1500)
}

#[test]
fn mtu_3000() -> Result<()> {
    root_or_skip!();
    with_mtu(3000)
}

#[test]
fn mtu_9000() -> Result<()> {
    root_or_skip!();
    with_mtu(9000)
}

#[test]
fn ip_fragments_pass() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    for family in FAMILIES {
        let large = ["-M", "dont", "-s", "4000"];
        let echo = system_tests::traffic::echo(&one.ns, two.addr(family), 3, &large)?;
        ensure!(echo.received == echo.sent, "{family:?}: {echo:?}");
        udp_exact(one, two, family, 4000, 100)?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn one_and_two_tags_stay_on_the_frame() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    let body = raw::udp4(one, two, (7, 9), b"tagged, and checked to the last byte");
    for to in [two, up] {
        gate::wait_steered(&weir, one, to)?;
        let socket = RawSocket::open(one)?;
        let single = raw::frame(to.mac(), one.mac(), &[(0x8100, 0x2005)], 0x0800, &body);
        let double = raw::frame(to.mac(), one.mac(), &[(0x88a8, 7), (0x8100, 9)], 0x0800, &body);
        let seen = Observer::matching(to, 12, [0x81, 0, 0x20, 5])?;
        (0..20).try_for_each(|_| socket.send(&single))?;
        seen.wait_exactly(20, "frames with one tag")?;
        drop(seen);
        // The inner tag; the outer one must have been in front of it.
        let seen = Observer::matching(to, 16, [0x81, 0, 0, 9])?;
        (0..20).try_for_each(|_| socket.send(&double))?;
        seen.wait_exactly(20, "frames with two tags")?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn broadcast_reaches_everybody_else_once() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    let sender = bed.guest(0)?;
    let others = [bed.guest(1)?, bed.guest(2)?, &bed.uplink];
    let before = gate::passed(&weir, &sender.port)?;
    let all = others.into_iter().chain([sender]);
    let seen: Vec<Observer> =
        all.map(|to| Observer::matching(to, 12, MARK)).collect::<Result<_>>()?;
    let socket = RawSocket::open(sender)?;
    for dst in [[0xff; 6], [0x01, 0, 0x5e, 0, 0, 9], [0x02, 0, 0, 0, 9, 9]] {
        let frame = raw::frame(dst, sender.mac(), &[], OURS, &MARK[2..]);
        (0..10).try_for_each(|_| socket.send(&frame))?;
    }
    for (observer, to) in seen.iter().zip(others) {
        observer.wait_exactly(30, &format!("flooded frames at {}", to.port))?;
    }
    ensure!(seen[3].total()? == 0, "the sender heard itself");
    // The bridge floods; each frame was passed to it once. IPv6 may add a few of its own.
    let stats = weir.assert_ledger()?;
    ensure!(gate::passed(&weir, &sender.port)? >= before + 30, "{stats:#?}");
    weir.stop()
}

#[test]
fn a_learned_address_is_not_flooded() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    let (one, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    // The echo teaches the bridge both addresses.
    ping(&one.ns, two.addr(Family::V4), 1)?;
    let (at_two, at_three) =
        (Observer::matching(two, 12, MARK)?, Observer::matching(three, 12, MARK)?);
    let socket = RawSocket::open(one)?;
    let frame = raw::frame(two.mac(), one.mac(), &[], OURS, &MARK[2..]);
    (0..10).try_for_each(|_| socket.send(&frame))?;
    at_two.wait_exactly(10, "frames for a known address")?;
    ensure!(at_three.total()? == 0, "a known address was flooded");
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn malformed_frames_are_held_against_an_ip_lock_and_harm_nobody() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let lock = format!("ip-lock = [\"{}\"]", one.v4());
    let weir = Weir::start(&bed, &WeirSpec::default().port("v1", &lock))?;
    let socket = RawSocket::open(one)?;
    // They end before the address that the lock checks, in IPv4 and in ARP.
    let cut = |kind, len| raw::frame(two.mac(), one.mac(), &[], kind, &[0x45; 46])[..len].to_vec();
    let (no_address, no_sender) = (cut(0x0800, 14 + 19), cut(0x0806, 14 + 7));
    for _ in 0..10 {
        socket.send(&no_address)?;
        socket.send(&no_sender)?;
    }
    ping(&one.ns, two.addr(Family::V4), 3)?;
    let stats = weir.assert_ledger()?;
    let malformed = ledger::lost_under(&stats, "malformed");
    ensure!(malformed == 20, "{malformed} of 20 were counted\n{stats:#?}");
    weir.stop()
}
