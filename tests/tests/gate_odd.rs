//! Unusual frames at the gate: a frame that is not understood to the last bit goes by the bridge,
//! arrives as it would without weir, and is counted.

use anyhow::{Context, Result, ensure};
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;
use system_tests::bed::{BRIDGE, Family, GUEST_IF, mac_text};
use system_tests::drive::{ping_all, udp_exact};
use system_tests::gate::{self, Marked, PLAIN, marked, passed, steered, wait_steered};
use system_tests::traffic::raw::{self, RawSocket};
use system_tests::traffic::tcp;
use system_tests::{Bed, BedSpec, Guest, Weir, ledger, need_or_skip, root_or_skip, wait_for};
use weir_api::PortReport;
use weir_core::offload::VnetHeader;
use weir_rig::tap::{NEEDS_CSUM, RawTap, UFO, USO};

/// A guest sends frames that it has redirected itself: the kernel's XDP hook would let them pass
/// unseen.
#[test]
fn frames_that_a_guest_redirected() -> Result<()> {
    root_or_skip!();
    const FRAMES: u64 = 20;
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    // Frames that enter x0 leave by the guest's interface.
    one.ns.ip("link add x0 type veth peer name x1")?;
    for end in ["x0", "x1"] {
        one.ns.ip(&format!("link set {end} addrgenmode none up"))?;
    }
    one.ns.tc("qdisc add dev x1 clsact")?;
    one.ns.tc(&format!(
        "filter add dev x1 ingress protocol all u32 match u32 0 0 action mirred egress redirect dev {GUEST_IF}"
    ))?;
    wait_steered(&weir, one, two)?;
    let before = weir.assert_ledger()?;
    let seen = system_tests::observer::Observer::matching(two, PLAIN.0, PLAIN.1)?;
    let socket = RawSocket::open_on(&one.ns, "x0")?;
    let frame = marked(one.mac(), two.mac(), &[]);
    (0..FRAMES).try_for_each(|_| socket.send(&frame))?;
    seen.wait_exactly(FRAMES, "redirected frames")?;
    let after = weir.assert_ledger()?;
    let grown = |of: fn(&PortReport) -> u64| {
        ledger::number(&after, &one.port, of) - ledger::number(&before, &one.port, of)
    };
    let (by_bridge, by_worker) = (grown(|port| port.passed.frames), grown(|port| port.rx.frames));
    ensure!(by_bridge >= FRAMES && by_worker == 0, "{by_bridge} passed, {by_worker} steered");
    // Its other frames are steered as before.
    drop(seen);
    let taken = steered(&weir, &one.port)?;
    Marked { from: one, frame: &frame, seen: PLAIN }.reach(&weir, &[two], &[])?;
    ensure!(steered(&weir, &one.port)? >= taken + 10);
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_frame_goes_to_whom_it_is_addressed() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    for other in [two, three, up] {
        wait_steered(&weir, one, other)?;
    }
    let bridge = bed.host.link(BRIDGE)?;
    let bridge = bridge["address"].as_str().context("no address")?;
    let hosts = [one.port_mac(), two.port_mac(), up.port_mac()];
    ensure!(hosts.iter().any(|mac| mac_text(*mac) == bridge), "the bridge has {bridge}");
    // To the host's own addresses, on whichever port they are; to the sender itself.
    for to in hosts.into_iter().chain([one.mac()]) {
        let frame = marked(one.mac(), to, &[]);
        Marked { from: one, frame: &frame, seen: PLAIN }.reach(
            &weir,
            &[],
            &[one, two, three, up],
        )?;
    }
    for (to, others) in [(two, [three, up]), (three, [two, up]), (up, [two, three])] {
        let frame = marked(one.mac(), to.mac(), &[]);
        Marked { from: one, frame: &frame, seen: PLAIN }.reach(&weir, &[to], &others)?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

fn send_large(from: &Guest, to: &Guest, size: usize, count: usize) -> Result<()> {
    from.ns.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        (0..count).try_for_each(|_| {
            Ok(socket.send_to(&vec![7; size], to.socket(Family::V4, 9)).map(drop)?)
        })
    })
}

#[test]
fn frames_longer_than_the_egress_mtu() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().mtu(9000).build()?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let weir = gate::start(&bed)?;
    wait_steered(&weir, one, two)?;
    for (mtu, lost) in [(1500, 10), (9000, 0)] {
        bed.host.ip(&format!("link set dev {} mtu {mtu}", two.port))?;
        two.ns.ip(&format!("link set dev {GUEST_IF} mtu {mtu}"))?;
        let too_long =
            || weir.stats().map_or(0, |stats| ledger::lost_under(&stats, "mtu_exceeded"));
        // weir learns of the MTU in its own time.
        let before = too_long();
        let known = || {
            let at = too_long();
            send_large(one, two, 5000, 1).is_ok()
                && weir.assert_ledger().is_ok()
                && (too_long() > at) == (lost > 0)
        };
        wait_for(gate::SOON, &format!("MTU {mtu} to hold"), known)?;
        ensure!(lost == 0 || too_long() > before);
        let before = too_long();
        send_large(one, two, 5000, 10)?;
        weir.assert_ledger()?;
        ensure!(too_long() == before + lost, "{} of {lost} counted", too_long() - before);
        udp_exact(one, two, Family::V4, 1400, 200)?;
        let result = tcp(one, two, Family::V4, 1, Duration::from_secs(1), &[])?;
        ensure!(result.bytes > 1_000_000, "{mtu}: {result:?}");
    }
    weir.assert_ledger()?;
    weir.stop()
}

/// Frames of more than 64 kB, which no worker can carry.
#[test]
fn big_tcp_is_left_to_the_bridge() -> Result<()> {
    root_or_skip!();
    const LARGEST: u32 = 180_000;
    let bed = BedSpec::vms(2).bridge().build()?;
    let raise = |ns: &system_tests::Ns, interface: &str| {
        ns.ip(&format!("link set dev {interface} gso_max_size {LARGEST} gro_max_size {LARGEST}"))
    };
    for guest in bed.everybody() {
        raise(&guest.ns, GUEST_IF)?;
        raise(&bed.host, &guest.port)?;
    }
    raise(&bed.host, BRIDGE)?;
    let weir = gate::start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    let before = weir.assert_ledger()?;
    // Some are smaller: send until a large one appears.
    wait_for(Duration::from_secs(20), "a frame of more than 64 kB", || {
        let result = tcp(one, two, Family::V6, 1, Duration::from_secs(1), &[]);
        let stats = weir.stats().unwrap_or_default();
        let grown = |of: fn(&PortReport) -> u64| {
            ledger::number(&stats, &one.port, of) - ledger::number(&before, &one.port, of)
        };
        let (frames, bytes) = (grown(|port| port.passed.frames), grown(|port| port.passed.bytes));
        result.is_ok_and(|result| result.bytes > 1_000_000)
            && frames > 100
            && bytes > 60_000 * frames
    })?;
    udp_exact(one, two, Family::V6, 1000, 300)?;
    weir.assert_ledger()?;
    weir.stop()
}

/// A bed with a virtual machine at a tap, and the machine's address.
fn with_tap() -> Result<(Bed, RawTap, [u8; 6])> {
    let bed = BedSpec::vms(2).bridge().build()?;
    let tap = bed.host.run(|| RawTap::create("t9").context("a tap"))?;
    bed.host.ip("link set t9 addrgenmode none")?;
    bed.host.ip(&format!("link set t9 master {BRIDGE}"))?;
    bed.host.ip("link set t9 up")?;
    Ok((bed, tap, [0x02, 0, 0, 0, 0, 9]))
}

fn has_taps() -> bool {
    std::path::Path::new("/dev/net/tun").exists()
}

fn steer_tap(weir: &Weir, tap: &RawTap, from: [u8; 6], to: &Guest) -> Result<()> {
    weir.wait_port("t9", &["up"])?;
    let frame = marked(from, to.mac(), &[]);
    wait_for(gate::SOON, "the tap's frames to be steered", || {
        let before = steered(weir, "t9").unwrap_or(u64::MAX);
        // A frame from each teaches its address.
        let back = marked(to.mac(), from, &[]);
        tap.send(&frame, VnetHeader::default()).is_ok()
            && gate::send(to, &back, 1).is_ok()
            && wait_for(Duration::from_millis(200), "it", || {
                steered(weir, "t9").is_ok_and(|now| now > before)
            })
            .is_ok()
    })
}

/// To a program, a datagram that is to leave as fragments and a train of datagrams look alike.
#[test]
fn ufo_goes_by_the_bridge_and_uso_by_the_worker() -> Result<()> {
    root_or_skip!();
    need_or_skip!(has_taps(), "no taps here");
    const SEGMENT: u16 = 1400;
    let (bed, tap, mac) = with_tap()?;
    let weir = gate::start(&bed)?;
    let two = bed.guest(1)?;
    steer_tap(&weir, &tap, mac, two)?;
    let receiver = two.ns.run(|| Ok(UdpSocket::bind(two.socket(Family::V4, 0))?))?;
    receiver.set_read_timeout(Some(Duration::from_secs(3)))?;
    let port = receiver.local_addr()?.port();
    let from = IpAddr::from([10, 0, 0, 9]);
    let payload: Vec<u8> = (0..5000_u32).map(|at| (at * at / 7) as u8).collect();
    let (ethertype, mut packet) = raw::udp(from, two.addr(Family::V4), (9, port), &payload)?;
    // The checksum is left to the device: the field has the pseudo-header's sum.
    let length = u16::try_from(8 + payload.len())?.to_be_bytes();
    let pseudo = !raw::checksum(&[&packet[12..20], &[0, 17], &length]);
    packet.splice(26..28, pseudo.to_be_bytes());
    // A datagram that may not be fragmented would not be.
    packet.splice(6..8, [0, 0]);
    packet.splice(10..12, [0, 0]);
    let sum = raw::checksum(&[&packet[..20]]);
    packet.splice(10..12, sum.to_be_bytes());
    let frame = raw::frame(two.mac(), mac, &[], ethertype, &packet);
    for (kind, by_worker) in [(UFO, false), (USO, true)] {
        let before = (steered(&weir, "t9")?, passed(&weir, "t9")?);
        let header = VnetHeader {
            flags: NEEDS_CSUM,
            gso_type: kind,
            hdr_len: 42,
            gso_size: SEGMENT,
            csum_start: 34,
            csum_offset: 6,
        };
        tap.send(&frame, header)?;
        let mut buffer = [0; 8192];
        let whole = [&payload[..]];
        let train: Vec<&[u8]> = payload.chunks(usize::from(SEGMENT)).collect();
        for expected in if by_worker { &train[..] } else { &whole[..] } {
            let len = receiver.recv(&mut buffer).with_context(|| format!("kind {kind}"))?;
            ensure!(buffer.get(..len) == Some(*expected), "kind {kind}: {len} bytes came");
        }
        let (taken, left) = (steered(&weir, "t9")? - before.0, passed(&weir, "t9")? - before.1);
        let way = if by_worker { taken == 1 && left == 0 } else { taken == 0 && left == 1 };
        ensure!(way, "kind {kind}: {taken} steered, {left} passed");
    }
    weir.assert_ledger()?;
    weir.stop()
}

/// A checksum that the device must complete and that is not the one of the outer header: inside a
/// tunnel, say. Only the kernel knows its place.
#[test]
fn a_checksum_elsewhere_goes_by_the_bridge() -> Result<()> {
    root_or_skip!();
    need_or_skip!(has_taps(), "no taps here");
    let (bed, tap, mac) = with_tap()?;
    let weir = gate::start(&bed)?;
    let two = bed.guest(1)?;
    steer_tap(&weir, &tap, mac, two)?;
    let receiver = two.ns.run(|| Ok(UdpSocket::bind(two.socket(Family::V4, 0))?))?;
    receiver.set_read_timeout(Some(Duration::from_secs(3)))?;
    let port = receiver.local_addr()?.port();
    let from = IpAddr::from([10, 0, 0, 9]);
    let (ethertype, mut packet) = raw::udp(from, two.addr(Family::V4), (9, port), &[7; 100])?;
    let own =
        VnetHeader { flags: NEEDS_CSUM, csum_start: 34, csum_offset: 6, ..VnetHeader::default() };
    let inner = VnetHeader { csum_start: 58, ..own };
    let good = raw::frame(two.mac(), mac, &[], ethertype, &packet);
    let pseudo = !raw::checksum(&[&packet[12..20], &[0, 17], &108_u16.to_be_bytes()]);
    packet.splice(26..28, pseudo.to_be_bytes());
    let partial = raw::frame(two.mac(), mac, &[], ethertype, &packet);
    for (what, frame, header, by_worker) in
        [("its own", &partial, own, true), ("an inner one", &good, inner, false)]
    {
        let before = (steered(&weir, "t9")?, passed(&weir, "t9")?);
        tap.send(frame, header)?;
        let mut buffer = [0; 200];
        let len = receiver.recv(&mut buffer).with_context(|| what.to_owned())?;
        ensure!(len == 100, "{what}: {len} bytes came");
        let (taken, left) = (steered(&weir, "t9")? - before.0, passed(&weir, "t9")? - before.1);
        let way = if by_worker { (1, 0) } else { (0, 1) };
        ensure!((taken, left) == way, "{what}: {taken} steered, {left} passed");
    }
    weir.assert_ledger()?;
    weir.stop()
}

/// A tap whose reader stands still loses the frames that its ring does not hold, under a reason, and no
/// other port loses any.
#[test]
fn a_tap_whose_reader_stands_still() -> Result<()> {
    root_or_skip!();
    need_or_skip!(has_taps(), "no taps here");
    const FRAMES: u64 = 3000;
    let (bed, tap, mac) = with_tap()?;
    let weir = gate::start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    steer_tap(&weir, &tap, mac, one)?;
    // Frames that have arrived so far are read.
    while tap.receive()?.is_some() {}
    let before = weir.assert_ledger()?;
    let lost_before = before.ledger.lost;
    gate::send(one, &marked(one.mac(), mac, &[]), FRAMES as usize)?;
    // Meanwhile the others go on.
    udp_exact(one, two, Family::V4, 500, 1000)?;
    ping_all(&bed)?;
    let stuck = weir.stats()?;
    // It reads again, and gets all frames that were not refused.
    let mut came = 0;
    let balanced = wait_for(gate::SOON, "the rest", || {
        while let Ok(Some(frame)) = tap.receive() {
            came += u64::from(frame.get(12..16) == Some(&PLAIN.1[..]));
        }
        let stats = weir.stats().unwrap_or_default();
        came + stats.ledger.lost.saturating_sub(lost_before) >= FRAMES
    });
    balanced.with_context(|| format!("{came} came\n{stuck:#?}"))?;
    let stats = weir.assert_ledger()?;
    let lost = stats.ledger.lost - lost_before;
    // The device counts each attempt at a full ring; every frame is still accounted for.
    ensure!(lost == FRAMES - came, "{came} of {FRAMES} came, {lost} were counted\n{stats:#?}");
    weir.stop()
}
