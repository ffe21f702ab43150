//! A bridge with VLAN filtering: the gate decides as the bridge would have.

use anyhow::{Result, ensure};
use std::time::Duration;
use system_tests::bed::{BRIDGE, Family};
use system_tests::drive::udp_exact;
use system_tests::gate::{self, Marked, PLAIN, Seen, marked, passed, steered, wait_steered};
use system_tests::traffic::{Rate, Sink, Source, echo};
use system_tests::{Bed, BedSpec, Weir, ledger, need_or_skip, root_or_skip, wait_for};

const CTAG: u16 = 0x8100;
const STAG: u16 = 0x88a8;

/// Frames whose tag is 802.1Q with these control bits.
const fn tagged(tci: u16) -> Seen {
    let [high, low] = tci.to_be_bytes();
    Seen(12, [0x81, 0, high, low])
}

/// Guests 1 and 2 are in VLAN 10, guest 3 in VLAN 20, each without tags; the uplink has both with tags,
/// and VLAN 1 without.
fn bed() -> Result<Bed> {
    let bed = BedSpec::vms(3).bridge().build()?;
    bed.host.ip(&format!("link set dev {BRIDGE} type bridge vlan_filtering 1"))?;
    for (port, vid) in [("v1", 10), ("v2", 10), ("v3", 20)] {
        bed.host.bridge(&format!("vlan del dev {port} vid 1"))?;
        bed.host.bridge(&format!("vlan add dev {port} vid {vid} pvid untagged"))?;
    }
    for vid in [10, 20] {
        bed.host.bridge(&format!("vlan add dev nic0 vid {vid}"))?;
    }
    // The count at a guest looks at the bytes of a frame: a tag must be among them.
    for port in bed.ports() {
        bed.host.ethtool(&format!("-K {port} txvlan off"))?;
    }
    Ok(bed)
}

/// Sends until the gate steers frames with these tags; the bridge learns the addresses first.
fn teach(bed: &Bed, weir: &Weir) -> Result<()> {
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    wait_steered(weir, one, two)?;
    let ways = [
        (one, up, &[][..]),
        (three, up, &[]),
        (up, one, &[(CTAG, 10)]),
        (up, three, &[(CTAG, 20)]),
        (one, two, &[(CTAG, 10)]),
    ];
    for (from, to, tags) in ways {
        // A frame from the other side teaches its address.
        for (from, tags) in [(up, &[(CTAG, 10)]), (up, &[(CTAG, 20)])] {
            gate::send(from, &marked(from.mac(), [0xff; 6], tags), 1)?;
        }
        gate::send(three, &marked(three.mac(), [0xff; 6], &[]), 1)?;
        let frame = marked(from.mac(), to.mac(), tags);
        wait_for(gate::SOON, &format!("{} to be steered to {}", from.port, to.port), || {
            let before = steered(weir, &from.port).unwrap_or(u64::MAX);
            gate::send(from, &frame, 1).is_ok()
                && wait_for(Duration::from_millis(200), "it", || {
                    steered(weir, &from.port).is_ok_and(|now| now > before)
                })
                .is_ok()
        })?;
    }
    Ok(())
}

#[test]
fn access_ports_and_a_trunk() -> Result<()> {
    root_or_skip!();
    need_or_skip!(gate::filters_vlans()?, gate::NO_VLANS);
    let bed = bed()?;
    let weir = gate::start(&bed)?;
    teach(&bed, &weir)?;
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    udp_exact(one, two, Family::V4, 1000, 500)?;
    let ten = &[(CTAG, 10)][..];
    let twenty = &[(CTAG, 20)][..];
    let urgent = &[(CTAG, 0xa000 | 10)][..];
    // (from, to, tags, bytes at the receiver, whether a worker takes it)
    let cases = [
        (one, two, &[][..], PLAIN, true),
        (one, up, &[], tagged(10), true),
        (three, up, &[], tagged(20), true),
        (up, one, ten, PLAIN, true),
        (up, three, twenty, PLAIN, true),
        // A guest may tag its frames with its own VLAN; the priority stays.
        (one, two, ten, PLAIN, true),
        (one, up, urgent, tagged(0xa000 | 10), true),
        // To this bridge an 802.1ad tag is payload.
        (one, two, &[(STAG, 10)], Seen(12, [0x88, 0xa8, 0, 10]), false),
        (up, one, &[(CTAG, 10), (CTAG, 7)], tagged(7), true),
        (one, up, &[(CTAG, 10), (CTAG, 7)], tagged(10), true),
    ];
    for (from, to, tags, seen, by_worker) in cases {
        let (before, left) = (steered(&weir, &from.port)?, passed(&weir, &from.port)?);
        let frame = marked(from.mac(), to.mac(), tags);
        let others: Vec<_> = bed
            .everybody()
            .filter(|other| ![from.number, to.number].contains(&other.number))
            .collect();
        Marked { from, frame: &frame, seen }
            .reach(&weir, &[to], &others)
            .map_err(|error| error.context(format!("{} to {}, {tags:x?}", from.port, to.port)))?;
        let now = if by_worker {
            steered(&weir, &from.port)? - before
        } else {
            passed(&weir, &from.port)? - left
        };
        ensure!(now >= 10, "{} to {}, {tags:x?}: {now} of 10 took the way", from.port, to.port);
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn nothing_crosses_into_another_vlan() -> Result<()> {
    root_or_skip!();
    need_or_skip!(gate::filters_vlans()?, gate::NO_VLANS);
    let bed = bed()?;
    let weir = gate::start(&bed)?;
    teach(&bed, &weir)?;
    let (one, two, three, up) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?, &bed.uplink);
    let all = [one, two, three, up];
    // (from, to, tags): dropped, whichever addresses are known.
    let cases = [
        (one, three, &[][..]),
        // A VLAN of which the port is no member.
        (one, three, &[(CTAG, 20)]),
        (one, two, &[(CTAG, 30)]),
        (up, three, &[(CTAG, 10)]),
        (up, one, &[(CTAG, 20)]),
        (up, one, &[(CTAG, 4094)]),
        // The uplink's own VLAN, of which no other port is a member.
        (up, one, &[]),
    ];
    for (from, to, tags) in cases {
        let frame = marked(from.mac(), to.mac(), tags);
        let others: Vec<_> = all.into_iter().filter(|other| other.number != from.number).collect();
        for seen in [PLAIN, tagged(10), tagged(20)] {
            // Frames of VLAN 10 for an unknown address are flooded in VLAN 10.
            let flooded: Vec<_> = others
                .iter()
                .copied()
                .filter(|other| !may_flood(from.number, tags, other.number))
                .collect();
            Marked { from, frame: &frame, seen }.reach(&weir, &[], &flooded).map_err(|error| {
                error.context(format!("{} to {}, {tags:x?}", from.port, to.port))
            })?;
        }
    }
    weir.assert_ledger()?;
    weir.stop()
}

/// Whether a frame for an address that is unknown in its VLAN reaches a guest in that VLAN.
fn may_flood(from: u8, tags: &[(u16, u16)], other: u8) -> bool {
    let vlan = tags.first().map_or(if from == 200 { 1 } else { 10 }, |(_, tci)| tci & 0xfff);
    let inside: &[u8] = match vlan {
        10 => &[1, 2, 200],
        20 => &[3, 200],
        _ => &[],
    };
    // A frame of a VLAN without the ingress port does not even enter.
    inside.contains(&from) && inside.contains(&other)
}

#[test]
fn what_a_vlan_loses_is_lost_at_once() -> Result<()> {
    root_or_skip!();
    need_or_skip!(gate::filters_vlans()?, gate::NO_VLANS);
    let bed = bed()?;
    let weir = gate::start(&bed)?;
    teach(&bed, &weir)?;
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    bed.host.bridge("vlan del dev v2 vid 10")?;
    let frame = marked(one.mac(), two.mac(), &[]);
    wait_for(gate::SOON, "frames not to come any more", || {
        Marked { from: one, frame: &frame, seen: PLAIN }.reach(&weir, &[], &[two]).is_ok()
    })?;
    Marked { from: one, frame: &frame, seen: PLAIN }.reach(&weir, &[], &[two])?;
    let back = marked(up.mac(), two.mac(), &[(CTAG, 10)]);
    Marked { from: up, frame: &back, seen: PLAIN }.reach(&weir, &[], &[two])?;
    // And is a member again.
    bed.host.bridge("vlan add dev v2 vid 10 pvid untagged")?;
    wait_steered(&weir, one, two)?;
    udp_exact(one, two, Family::V4, 500, 300)?;
    // With a tag from now on.
    bed.host.bridge("vlan add dev v2 vid 10")?;
    let with_tag = Marked { from: one, frame: &frame, seen: tagged(10) };
    wait_for(gate::SOON, "the tag", || with_tag.reach(&weir, &[two], &[]).is_ok())?;
    let before = steered(&weir, "v1")?;
    with_tag.reach(&weir, &[two], &[])?;
    ensure!(steered(&weir, "v1")? >= before + 10, "they were left to the bridge");
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn filtering_switched_on_and_off_under_traffic() -> Result<()> {
    root_or_skip!();
    need_or_skip!(gate::filters_vlans()?, gate::NO_VLANS);
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    wait_steered(&weir, one, two)?;
    let sinks = [(one, two), (two, three)];
    let mut flows = Vec::new();
    for (from, to) in sinks {
        let sink = Sink::start(&to.ns, to.socket(Family::V4, 0))?;
        let source = Source { rate: Rate::pps(500), ..Source::to(sink.addr()) };
        let sending = source.start(&from.ns)?;
        sink.wait_for(200, gate::SOON)?;
        flows.push((sink, sending));
    }
    for round in 0..10 {
        let on = (round + 1) % 2;
        bed.host.ip(&format!("link set dev {BRIDGE} type bridge vlan_filtering {on}"))?;
        for (sink, _) in &flows {
            sink.wait_for(sink.so_far() + 100, gate::SOON)?;
        }
    }
    let (mut sent, mut came) = (0, 0);
    let mut sinking = Vec::new();
    for (sink, sending) in flows {
        sent += sending.stop()?.datagrams;
        sinking.push(sink);
    }
    // On a machine that is too slow the worker's ring overflows, under a reason.
    let stats = weir.assert_ledger()?;
    for sink in sinking {
        let received = sink.finish()?;
        came += received.unique;
        ensure!(received.duplicates == 0, "{} came twice", received.duplicates);
    }
    let lost = ledger::lost_under(&stats, "rx_share");
    ensure!(came + lost == sent, "{came} of {sent} came, {lost} were counted\n{stats:#?}");
    wait_steered(&weir, one, two)?;
    weir.assert_ledger()?;
    weir.stop()
}

/// While filtering is off, a tag of any VLAN is payload; while it is on, it is not.
#[test]
fn switching_filtering_changes_what_tags_mean() -> Result<()> {
    root_or_skip!();
    need_or_skip!(gate::filters_vlans()?, gate::NO_VLANS);
    let bed = bed()?;
    let weir = gate::start(&bed)?;
    let (one, three) = (bed.guest(0)?, bed.guest(2)?);
    let frame = marked(one.mac(), three.mac(), &[(CTAG, 77)]);
    let across = Marked { from: one, frame: &frame, seen: tagged(77) };
    for _ in 0..3 {
        bed.host.ip(&format!("link set dev {BRIDGE} type bridge vlan_filtering 0"))?;
        wait_steered(&weir, one, three)?;
        across.reach(&weir, &[three], &[])?;
        bed.host.ip(&format!("link set dev {BRIDGE} type bridge vlan_filtering 1"))?;
        wait_for(gate::SOON, "the VLAN to be filtered", || {
            across.reach(&weir, &[], &[three]).is_ok()
        })?;
        across.reach(&weir, &[], &[three])?;
        let echo = echo(&one.ns, three.addr(Family::V4), 2, &[])?;
        ensure!(echo.received == 0, "they are in different VLANs: {echo:?}");
    }
    weir.assert_ledger()?;
    weir.stop()
}
