//! A guest's attacks on the others, on the host, or on the network: each attempt is counted under its
//! reason, and no other guest loses anything.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use system_tests::bed::{BRIDGE, FAMILIES, Family, mac_text};
use system_tests::drive::{ping_all, udp_exact};
use system_tests::gate::{self, MARK, Marked, PLAIN, marked, steered, wait_steered};
use system_tests::ledger;
use system_tests::observer::Observer;
use system_tests::traffic::raw::{self, RawSocket};
use system_tests::traffic::{Rate, Sink, Source, echo};
use system_tests::{Bed, BedSpec, Guest, Weir, root_or_skip, wait_for};
use weir_api::StatsReport;

/// Runs `attack` while datagrams go from one guest to another, and asserts that each arrives once.
fn undisturbed(from: &Guest, to: &Guest, attack: impl FnOnce() -> Result<()>) -> Result<()> {
    let sink = Sink::start(&to.ns, to.socket(Family::V4, 0))?;
    let source = Source { rate: Rate::pps(2000), ..Source::to(sink.addr()) };
    let sending = source.start(&from.ns)?;
    sink.wait_for(200, gate::SOON)?;
    attack()?;
    sink.wait_for(sink.so_far() + 200, gate::SOON)?;
    let sent = sending.stop()?;
    sink.wait_for(sent.datagrams, gate::SOON)?;
    let received = sink.finish()?;
    let once = received.unique == sent.datagrams && received.duplicates == 0;
    ensure!(once, "of {} came {}, {} twice", sent.datagrams, received.unique, received.duplicates);
    Ok(())
}

fn bridge_mac(bed: &Bed) -> Result<[u8; 6]> {
    let link = bed.host.link(BRIDGE)?;
    let text = link["address"].as_str().context("the bridge has no address")?;
    let bytes: Vec<u8> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    Ok(bytes.as_slice().try_into()?)
}

fn lock(bed: &Bed, weir: &Weir, guest: &Guest, what: &str) -> Result<()> {
    weir.cli_ok(bed, &format!("port set {} {what}", guest.port))?;
    weir.wait_port(&guest.port, &["up"])
}

#[test]
fn anothers_address_towards_the_host_is_refused() -> Result<()> {
    root_or_skip!();
    const FRAMES: usize = 5000;
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (attacker, victim) = (bed.guest(0)?, bed.guest(1)?);
    lock(&bed, &weir, attacker, &format!("--mac-lock {}", attacker.mac_text()))?;
    ping_all(&bed)?;
    wait_steered(&weir, &bed.uplink, victim)?;
    // To the bridge itself, the port's own device, a group, a known station, an unknown one.
    let host = bridge_mac(&bed)?;
    let targets = [host, attacker.port_mac(), [0xff; 6], bed.uplink.mac(), [2, 0, 0, 0, 9, 9]];
    undisturbed(&bed.uplink, victim, || {
        for to in targets {
            gate::send(attacker, &marked(victim.mac(), to, &[]), FRAMES)?;
        }
        Ok(())
    })?;
    let stats = weir.assert_ledger()?;
    let spoofed = ledger::port_lost(&stats, &attacker.port, "spoofed");
    ensure!(spoofed == (targets.len() * FRAMES) as u64, "{spoofed} were counted\n{stats:#?}");
    // The bridge has learned no false address, either.
    let fdb = bed.host.bridge(&format!("fdb show br {BRIDGE}"))?;
    let moved = fdb.lines().any(|line| line.contains(&victim.mac_text()) && line.contains("v1"));
    ensure!(!moved, "the bridge believes it:\n{fdb}");
    weir.stop()
}

#[test]
fn bpdus_of_a_guest_go_nowhere() -> Result<()> {
    root_or_skip!();
    const FRAMES: usize = 50;
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start(&bed)?;
    ping_all(&bed)?;
    let attacker = bed.guest(0)?;
    let everybody: Vec<&Guest> = bed.everybody().collect();
    let seen: Vec<Observer> = everybody
        .iter()
        .map(|guest| Observer::matching(guest, 0, [0x01, 0x80, 0xc2, 0x00]))
        .collect::<Result<_>>()?;
    // A configuration BPDU with a better root than any, in an LLC frame.
    let mut bpdu = vec![0x42, 0x42, 0x03, 0, 0, 0, 0, 0];
    bpdu.extend([0; 31]);
    for last in 0..16 {
        let to = [0x01, 0x80, 0xc2, 0, 0, last];
        let frame = raw::frame(to, attacker.mac(), &[], bpdu.len() as u16, &bpdu);
        gate::send(attacker, &frame, FRAMES)?;
    }
    let stats = weir.assert_ledger()?;
    let reserved = ledger::port_lost(&stats, &attacker.port, "reserved");
    ensure!(reserved == 16 * FRAMES as u64, "{reserved} were counted\n{stats:#?}");
    for (observer, guest) in seen.iter().zip(everybody) {
        let came = observer.total()?;
        ensure!(came == 0, "{came} came to {}", guest.port);
    }
    weir.stop()
}

#[test]
fn twenty_thousand_addresses_push_nobody_out() -> Result<()> {
    root_or_skip!();
    const ADDRESSES: u32 = 20_000;
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    ping_all(&bed)?;
    let (attacker, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    wait_steered(&weir, two, three)?;
    // This is in the destination of all frames between the two others.
    let [_, _, tail @ ..] = three.mac();
    let heard = Observer::matching(attacker, 2, tail)?;
    undisturbed(two, three, || {
        let socket = RawSocket::open(attacker)?;
        for n in 0..ADDRESSES {
            let [_, a, b, c] = n.to_be_bytes();
            let source = [0x02, 0xbb, 0, a, b, c];
            socket.send(&marked(source, bed.uplink.mac(), &[]))?;
        }
        Ok(())
    })?;
    let stats = weir.assert_ledger()?;
    let came = heard.total()?;
    ensure!(came == 0, "the attacker heard {came} frames of others");
    // The others are still known: their frames go to a worker.
    let before = ledger::number(&stats, &two.port, |port| port.rx.frames);
    udp_exact(two, three, Family::V4, 200, 500)?;
    let now = steered(&weir, &two.port)?;
    ensure!(now >= before + 500, "{} of 500 were steered", now - before);
    weir.assert_ledger()?;
    weir.stop()
}

/// An IPv6 packet of these bytes behind the fixed header.
fn ipv6(from: &Guest, source: u16, to: &Guest, next: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    let mut address = from.v6().octets();
    address[14..].copy_from_slice(&source.to_be_bytes());
    packet.extend(address);
    packet.extend(to.v6().octets());
    packet.extend(body);
    packet
}

/// An IPv4 packet from 10.0.0.`source` with this fragment word.
fn ipv4(source: u8, to: &Guest, fragment: u16, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + body.len() as u16).to_be_bytes());
    packet.extend([0, 7]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, 17, 0, 0, 10, 0, 0, source]);
    packet.extend(to.v4().octets());
    packet.splice(10..12, raw::checksum(&[&packet]).to_be_bytes());
    packet.extend(body);
    packet
}

/// Packets of every shape from a source: (what, EtherType, bytes).
fn shapes(from: &Guest, to: &Guest, source: u8) -> Vec<(&'static str, u16, Vec<u8>)> {
    const UDP: u8 = 17;
    let (v4, v6) = (
        |fragment, body: &[u8]| ipv4(source, to, fragment, body),
        |next, body: &[u8]| ipv6(from, source.into(), to, next, body),
    );
    let udp = [0x1f, 0x90, 0x1f, 0x90, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    // A header of eight bytes, padded by options, before the header `next`.
    let options = |next: u8| vec![next, 0, 1, 4, 0, 0, 0, 0];
    let fragment = |next: u8, offset: u16| {
        let [high, low] = offset.to_be_bytes();
        vec![next, 0, high, low, 0, 0, 0, 9]
    };
    let chain = |parts: &[&[u8]]| parts.concat();
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend(from.mac());
    arp.extend([10, 0, 0, source]);
    arp.extend([0; 6]);
    arp.extend(to.v4().octets());
    vec![
        ("IPv4, whole", 0x0800, v4(0x4000, &udp)),
        ("IPv4, first fragment", 0x0800, v4(0x2000, &udp)),
        ("IPv4, later fragment", 0x0800, v4(0x0002, &udp)),
        ("IPv6, whole", 0x86dd, v6(UDP, &udp)),
        ("IPv6, hop-by-hop options", 0x86dd, v6(0, &chain(&[&options(UDP), &udp]))),
        ("IPv6, destination options", 0x86dd, v6(60, &chain(&[&options(UDP), &udp]))),
        ("IPv6, first fragment", 0x86dd, v6(44, &chain(&[&fragment(UDP, 1), &udp]))),
        ("IPv6, later fragment", 0x86dd, v6(44, &chain(&[&fragment(UDP, 0x10), &udp]))),
        (
            "IPv6, options before and behind a fragment header",
            0x86dd,
            v6(0, &chain(&[&options(44), &fragment(60, 1), &options(UDP), &udp])),
        ),
        (
            "IPv6, more headers than anybody reads",
            0x86dd,
            v6(0, &chain(&[&options(60), &options(60).repeat(20), &options(UDP), &udp])),
        ),
        ("IPv6, nothing behind it", 0x86dd, v6(59, &[])),
        ("ARP", 0x0806, arp),
    ]
}

#[test]
fn an_address_lock_holds_for_packets_of_every_shape() -> Result<()> {
    root_or_skip!();
    const FRAMES: usize = 10;
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    lock(&bed, &weir, one, &format!("--ip-lock {},{}", one.v4(), one.v6()))?;
    wait_steered(&weir, one, two)?;
    for family in FAMILIES {
        let large = echo(&one.ns, two.addr(family), 3, &["-M", "dont", "-s", "4000"])?;
        ensure!(large.received == large.sent, "its own fragments: {large:?}");
    }
    let host = bridge_mac(&bed)?;
    let spoofed =
        || weir.stats().map_or(0, |stats| ledger::port_lost(&stats, &one.port, "spoofed"));
    // To a guest, to the host, to all.
    let targets = [two.mac(), host, [0xff; 6]];
    for to in targets {
        for (_, ethertype, packet) in shapes(one, two, one.number) {
            gate::send(one, &raw::frame(to, one.mac(), &[], ethertype, &packet), FRAMES)?;
        }
    }
    weir.assert_ledger()?;
    ensure!(spoofed() == 0, "{} of its own", spoofed());
    let seen = Observer::matching(two, 8, one.mac()[2..].try_into()?)?;
    for to in targets {
        for (what, ethertype, packet) in shapes(one, two, 99) {
            let wanted = spoofed() + FRAMES as u64;
            gate::send(one, &raw::frame(to, one.mac(), &[], ethertype, &packet), FRAMES)?;
            let what = format!("{what} to {} to be refused", mac_text(to));
            wait_for(gate::SOON, &what, || spoofed() >= wanted)?;
        }
    }
    weir.assert_ledger()?;
    let (refused, came) = (spoofed(), seen.total()?);
    let sent = targets.len() * shapes(one, two, 99).len() * FRAMES;
    ensure!(refused == sent as u64 && came == 0, "{refused} of {sent} refused, {came} came");
    weir.stop()
}

/// A flood that the bridge would copy to all ports is held to the limit, and the excess is counted.
fn storm(to: [u8; 6]) -> Result<()> {
    const FRAMES: usize = 80_000;
    /// The number of frames that a port may send at once, and in a second.
    const BURST: f64 = 4096.0;
    const RATE: f64 = 10_000.0;
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    ping_all(&bed)?;
    let (attacker, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    wait_steered(&weir, two, three)?;
    let passed =
        |stats: &StatsReport| ledger::number(stats, &attacker.port, |port| port.passed.frames);
    let before = passed(&weir.assert_ledger()?);
    let seen = Observer::matching(two, 12, MARK)?;
    let began = Instant::now();
    let mut took = Duration::ZERO;
    undisturbed(two, three, || {
        gate::send(attacker, &marked(attacker.mac(), to, &[]), FRAMES)?;
        took = began.elapsed();
        Ok(())
    })?;
    let stats = weir.assert_ledger()?;
    let (kept, flooded) =
        (ledger::port_lost(&stats, &attacker.port, "storm"), passed(&stats) - before);
    let most = BURST + RATE * (took.as_secs_f64() + 0.1);
    ensure!(kept + flooded == FRAMES as u64, "{kept} held, {flooded} flooded\n{stats:#?}");
    ensure!(flooded as f64 <= most && kept > 0, "{flooded} of at most {most} in {took:?}");
    ensure!(flooded as f64 >= BURST, "{flooded} flooded: even the burst was held");
    let came = seen.total()?;
    ensure!(came <= flooded, "{came} came of {flooded}");
    drop(seen);
    // Later it may send again.
    let frame = marked(attacker.mac(), to, &[]);
    Marked { from: attacker, frame: &frame, seen: PLAIN }.reach(&weir, &[two, three], &[])?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_flood_of_broadcasts_is_held() -> Result<()> {
    root_or_skip!();
    storm([0xff; 6])
}

#[test]
fn a_flood_of_multicasts_is_held() -> Result<()> {
    root_or_skip!();
    storm([0x01, 0, 0x5e, 1, 2, 3])
}

#[test]
fn a_flood_to_unknown_addresses_is_held() -> Result<()> {
    root_or_skip!();
    storm([0x02, 0, 0, 0, 9, 9])
}
