//! Frames of every kind at the gate of a bridge's ports: with the guests' default offloads, on a bridge
//! without VLAN filtering, and each frame once, in either lane.

use anyhow::{Result, ensure};
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use system_tests::bed::{BRIDGE, FAMILIES, GUEST_IF};
use system_tests::drive::{everybody_talks, largest_frames, ping_all, udp_exact};
use system_tests::gate::{self, Marked, PLAIN, Seen, marked, steered, wait_steered};
use system_tests::traffic::{Rate, Sink, Source, echo, ping};
use system_tests::{Bed, BedSpec, ledger, root_or_skip};
use weir_api::PortReport;

const CTAG: u16 = 0x8100;
const STAG: u16 = 0x88a8;

/// All guests exchange traffic, and every frame that can be steered is.
fn everything(bed: &Bed) -> Result<()> {
    let weir = gate::start(bed)?;
    let one = bed.guest(0)?;
    wait_steered(&weir, one, bed.guest(1)?)?;
    wait_steered(&weir, one, &bed.uplink)?;
    everybody_talks(bed)?;
    let stats = weir.assert_ledger()?;
    for guest in [one, bed.guest(1)?, &bed.uplink] {
        let of = |of: fn(&PortReport) -> u64| ledger::number(&stats, &guest.port, of);
        let (received, passed) = (of(|port| port.rx.frames), of(|port| port.passed.frames));
        ensure!(received > 10 * passed, "{}: {passed} passed\n{stats:#?}", guest.port);
        let (whole, cut) =
            (of(|port| port.tx.superframes), of(|port| port.counter("superframes_segmented")));
        let expected = guest.number != 2 || whole > 0;
        ensure!(expected && cut == 0, "{}: {whole} whole, {cut} cut\n{stats:#?}", guest.port);
    }
    // TCP finds its limit by losing something; nothing else is lost.
    let probed = ["queue_full", "shed", "rx_share"].map(|name| ledger::lost_under(&stats, name));
    ensure!(stats.ledger.lost == probed.iter().sum::<u64>(), "{stats:#?}");
    weir.stop()
}

#[test]
fn ping_udp_tcp_with_default_offloads() -> Result<()> {
    root_or_skip!();
    // GRO off is a veth's own default; so checksums are partial and superframes arrive.
    everything(&BedSpec { guest_gro: false, ..BedSpec::vms(2) }.bridge().build()?)
}

#[test]
fn ping_udp_tcp_with_gro_guests() -> Result<()> {
    root_or_skip!();
    everything(&BedSpec::vms(2).bridge().build()?)
}

fn with_mtu(mtu: u32) -> Result<()> {
    let bed = BedSpec::vms(2).bridge().mtu(mtu).build()?;
    let weir = gate::start(&bed)?;
    wait_steered(&weir, bed.guest(0)?, bed.guest(1)?)?;
    wait_steered(&weir, bed.guest(0)?, &bed.uplink)?;
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
fn mtu_9000() -> Result<()> {
    root_or_skip!();
    with_mtu(9000)
}

#[test]
fn ip_fragments_pass() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    for family in FAMILIES {
        let large = ["-M", "dont", "-s", "4000"];
        let echo = echo(&one.ns, two.addr(family), 3, &large)?;
        ensure!(echo.received == echo.sent, "{family:?}: {echo:?}");
        udp_exact(one, two, family, 4000, 100)?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn one_and_two_tags_stay_on_the_frame() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    wait_steered(&weir, one, two)?;
    wait_steered(&weir, one, up)?;
    let cases = [
        (&[(CTAG, 0x2005)][..], [0x81, 0, 0x20, 5]),
        (&[(STAG, 0x0007)], [0x88, 0xa8, 0, 7]),
        (&[(STAG, 7), (CTAG, 9)], [0x88, 0xa8, 0, 7]),
        (&[(CTAG, 7), (CTAG, 9)], [0x81, 0, 0, 7]),
    ];
    for to in [two, up] {
        for (tags, outer) in cases {
            let before = steered(&weir, &one.port)?;
            let frame = marked(one.mac(), to.mac(), tags);
            // The mark is behind one tag; with two, the second tag is behind the first.
            for seen in [Seen(12, outer), Seen(16, frame[16..20].try_into()?)] {
                Marked { from: one, frame: &frame, seen }.reach(&weir, &[to], &[])?;
            }
            let now = steered(&weir, &one.port)?;
            ensure!(now >= before + 20, "{tags:x?}: {} of 20 steered", now - before);
        }
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn groups_and_unknown_addresses_reach_everybody_else_once() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    ping_all(&bed)?;
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    for dst in [[0xff; 6], [0x01, 0, 0x5e, 0, 0, 9], [0x33, 0x33, 0, 0, 0, 9], [2, 0, 0, 0, 9, 9]] {
        let frame = marked(one.mac(), dst, &[]);
        Marked { from: one, frame: &frame, seen: PLAIN }.reach(&weir, &[two, three, up], &[one])?;
        let frame = marked(up.mac(), dst, &[]);
        Marked { from: up, frame: &frame, seen: PLAIN }.reach(&weir, &[one, two, three], &[up])?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_learned_address_is_not_flooded() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    wait_steered(&weir, one, two)?;
    let frame = marked(one.mac(), two.mac(), &[]);
    Marked { from: one, frame: &frame, seen: PLAIN }.reach(&weir, &[two], &[three, &bed.uplink])?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn neighbours_are_found_by_broadcast_and_multicast() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    for _ in 0..5 {
        for end in [one, two, &bed.uplink] {
            end.ns.ip(&format!("neighbour flush dev {GUEST_IF}"))?;
        }
        ping_all(&bed)?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

/// Each receiver gets every datagram of a multicast stream once.
#[test]
fn a_multicast_stream_comes_once() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let one = bed.guest(0)?;
    let receivers = [bed.guest(1)?, bed.guest(2)?, &bed.uplink];
    let port = 7001;
    let mut joined = Vec::new();
    let mut sinks = Vec::new();
    for to in receivers {
        sinks.push(Sink::start(&to.ns, (Ipv4Addr::UNSPECIFIED, port).into())?);
        // Membership belongs to the interface: any of its sockets may have joined.
        joined.push(to.ns.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.join_multicast_v4(&group, &to.v4())?;
            Ok(socket)
        })?);
    }
    one.ns.ip(&format!("route add {group}/32 dev {GUEST_IF}"))?;
    let to = (group, port).into();
    let sent = Source { rate: Rate::pps(2000), count: 1000, ..Source::to(to) }.send(&one.ns)?;
    for sink in sinks {
        sink.wait_for(sent.datagrams, gate::SOON)?;
        let received = sink.finish()?;
        let once = received.unique == sent.datagrams && received.duplicates == 0;
        ensure!(
            once,
            "{} of {} came, {} twice",
            received.unique,
            sent.datagrams,
            received.duplicates
        );
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn the_host_is_reached_and_reaches() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let (v4, v6) = (Ipv4Addr::new(10, 0, 0, 254), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 254));
    bed.host.ip(&format!("address add {v4}/24 dev {BRIDGE}"))?;
    bed.host.ip(&format!("address add {v6}/64 dev {BRIDGE} nodad"))?;
    let weir = gate::start(&bed)?;
    wait_steered(&weir, bed.guest(0)?, bed.guest(1)?)?;
    for guest in [bed.guest(0)?, &bed.uplink] {
        ping(&guest.ns, v4.into(), 5)?;
        ping(&guest.ns, v6.into(), 5)?;
        for family in FAMILIES {
            ping(&bed.host, guest.addr(family), 5)?;
        }
    }
    let sink = Sink::start(&bed.host, (v4, 0).into())?;
    let source = Source { rate: Rate::pps(5000), count: 1000, ..Source::to(sink.addr()) };
    let sent = source.send(&bed.guest(0)?.ns)?;
    sink.wait_for(sent.datagrams, gate::SOON)?;
    let received = sink.finish()?;
    ensure!(received.unique == sent.datagrams && received.duplicates == 0, "{received:?}");
    weir.assert_ledger()?;
    weir.stop()
}
