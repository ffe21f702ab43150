//! Superframes end to end: they travel whole if the device can take them, are cut if it cannot, and are
//! refused under a reason if neither is possible. A receiver sees the same.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use system_tests::bed::{FAMILIES, Family, GUEST_IF};
use system_tests::traffic::tcp;
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec, ledger, root_or_skip, wait_for};

const SEGMENT: usize = 700;
const SEGMENTS: usize = 12;
/// The last datagram of each superframe is shorter.
const TAIL: usize = 123;
const ROUNDS: usize = 20;

/// Sends superframes of numbered datagrams and asserts that each datagram arrives as its sender cut it:
/// its length, its number, its bytes.
fn udp_superframes(from: &Guest, to: &Guest, family: Family) -> Result<()> {
    let address = to.socket(family, 0);
    let receiver = to.ns.run(|| Ok(UdpSocket::bind(address)?))?;
    receiver.set_read_timeout(Some(Duration::from_secs(10)))?;
    let address = receiver.local_addr()?;
    let sender = from.ns.run(|| {
        let socket = UdpSocket::bind(if family == Family::V4 { "0.0.0.0:0" } else { "[::]:0" })?;
        setsockopt(&socket, UdpGsoSegment, &(SEGMENT as i32)).context("UDP_SEGMENT")?;
        socket.connect(address)?;
        Ok(socket)
    })?;
    let mut buffer = [0; 2048];
    for round in 0..ROUNDS {
        // One at a time: a receiver's socket holds no more than a few.
        let payload = payload(round);
        sender.send(&payload)?;
        for (nth, expected) in payload.chunks(SEGMENT).enumerate() {
            let length = receiver
                .recv(&mut buffer)
                .with_context(|| format!("{family:?}: datagram {nth} of superframe {round}"))?;
            ensure!(
                buffer.get(..length) == Some(expected),
                "{family:?}: datagram {nth} of superframe {round} came with {length} bytes in \
                 place of {}",
                expected.len()
            );
        }
    }
    Ok(())
}

fn payload(round: usize) -> Vec<u8> {
    (0..SEGMENT * SEGMENTS + TAIL).map(|at| (at / 7 + round * 31 + at * at) as u8).collect()
}

fn both_kinds(bed: &Bed, to: &Guest) -> Result<()> {
    for family in FAMILIES {
        udp_superframes(bed.guest(0)?, to, family)?;
        let result = tcp(bed.guest(0)?, to, family, 1, Duration::from_secs(1), &[])?;
        ensure!(result.bytes > 1_000_000, "{family:?}: {result:?}");
    }
    Ok(())
}

#[test]
fn they_travel_whole() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    both_kinds(&bed, bed.guest(1)?)?;
    let stats = weir.assert_ledger()?;
    let whole = ledger::number(&stats, &bed.guest(1)?.port, |port| port.tx.superframes);
    let cut =
        ledger::number(&stats, &bed.guest(1)?.port, |port| port.counter("superframes_segmented"));
    ensure!(whole > 2 * ROUNDS as u64 && cut == 0, "{whole} whole, {cut} cut\n{stats:#?}");
    weir.stop()
}

#[test]
fn a_device_that_takes_none_gets_segments() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let port = bed.guest(1)?.port.clone();
    bed.host.ethtool(&format!("-K {port} tso off tx-udp-segmentation off"))?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    both_kinds(&bed, bed.guest(1)?)?;
    let stats = weir.assert_ledger()?;
    let cut = ledger::number(&stats, &port, |port| port.counter("superframes_segmented"));
    let whole = ledger::number(&stats, &port, |port| port.tx.superframes);
    ensure!(cut > 2 * ROUNDS as u64 && whole == 0, "{whole} whole, {cut} cut\n{stats:#?}");
    weir.stop()
}

#[test]
fn a_device_that_changes_its_mind_is_followed() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let port = bed.guest(1)?.port.clone();
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    for offload in ["off", "on"] {
        bed.host.ethtool(&format!("-K {port} tso {offload} tx-udp-segmentation {offload}"))?;
        let what = format!("the port list to say that superframes are {offload}");
        wait_for(Duration::from_secs(10), &what, || {
            weir.ports().is_ok_and(|list| {
                list.port(&port).is_some_and(|port| port.superframes == (offload == "on"))
            })
        })?;
        both_kinds(&bed, bed.guest(1)?)?;
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_smaller_mtu_is_kept() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).mtu(9000).build()?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    bed.host.ip(&format!("link set dev {} mtu 1500", two.port))?;
    two.ns.ip(&format!("link set dev {GUEST_IF} mtu 1500"))?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    // TCP agrees on a size that fits, and datagrams that fit pass.
    both_kinds(&bed, two)?;
    let before = ledger::lost_under(&weir.assert_ledger()?, "mtu_exceeded");
    one.ns.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        for _ in 0..10 {
            socket.send_to(&[7; 5000], two.socket(Family::V4, 9))?;
        }
        Ok(())
    })?;
    let what = "the ten frames that do not fit to be counted";
    wait_for(Duration::from_secs(10), what, || {
        weir.stats().is_ok_and(|stats| ledger::lost_under(&stats, "mtu_exceeded") == before + 10)
    })?;
    weir.assert_ledger()?;
    weir.stop()
}
