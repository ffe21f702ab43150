//! Tests the bed itself, on a Linux bridge instead of weir: the bed's properties that weir's tests rely
//! on.

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;
use system_tests::bed::{FAMILIES, Family, GUEST_IF};
use system_tests::traffic::raw::{self, RawSocket};
use system_tests::traffic::{Rate, Sink, Source, ping, tcp};
use system_tests::{BedSpec, ns, root_or_skip, wait_for};

#[test]
fn pings_udp_and_tcp_cross_a_bridge() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    for family in FAMILIES {
        ping(&one.ns, two.addr(family), 3)?;
        ping(&one.ns, bed.uplink.addr(family), 3)?;
        let sink = Sink::start(&two.ns, two.socket(family, 9000))?;
        let (rate, core) = (Rate::pps(5000), Some(0));
        let source = Source { count: 500, rate, core, ..Source::to(sink.addr()) };
        let sent = source.send(&one.ns)?;
        sink.wait_for(500, Duration::from_secs(30))?;
        let received = sink.finish()?;
        ensure!(sent.datagrams == 500 && received.unique == 500, "{sent:?} {received:?}");
        ensure!(received.duplicates == 0 && received.reordered == 0, "{received:?}");
        let result = tcp(one, &bed.uplink, family, 1, Duration::from_secs(1), &[])?;
        ensure!(result.bytes > 1_000_000, "{result:?}");
    }
    Ok(())
}

#[test]
fn flat_out_counts_what_it_sends() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).bridge().build()?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    ping(&one.ns, up.addr(Family::V4), 1)?;
    let before = bed.host.counter(&one.port)?.recv_packets;
    let to = up.socket(Family::V4, 9000);
    let source =
        Source { size: 22, count: 20_000, rate: Rate::Max, core: Some(0), ..Source::to(to) };
    let sent = source.send(&one.ns)?;
    let after = bed.host.counter(&one.port)?.recv_packets;
    ensure!(sent.datagrams == 20_000, "{sent:?}");
    ensure!(
        after - before >= sent.datagrams,
        "{} of {} left the guest",
        after - before,
        sent.datagrams
    );
    Ok(())
}

#[test]
fn mtu_and_addresses_are_as_asked() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).mtu(9000).bridge().build()?;
    let guest = bed.guest(0)?;
    let link = guest.ns.link(GUEST_IF)?;
    ensure!(link["mtu"] == 9000 && link["address"] == guest.mac_text(), "{link}");
    let link = bed.host.link(&guest.port)?;
    ensure!(link["mtu"] == 9000 && link["num_rx_queues"] == 1, "{link}");
    Ok(())
}

#[test]
fn raw_frames_cross_byte_for_byte() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let (sender, receiver) = (RawSocket::open(one)?, RawSocket::open(two)?);
    let body = raw::udp4(one, two, (1234, 9000), b"byte for byte as it is");
    let frame = raw::frame(two.mac(), one.mac(), &[], 0x0800, &body);
    sender.send(&frame)?;
    let got = receiver.receive(Duration::from_secs(2), |got| got == frame)?;
    ensure!(got.is_some(), "the frame did not come");
    Ok(())
}

#[test]
fn guests_come_and_go() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(1).bridge().build()?;
    let index = bed.add_guest()?;
    ping(&bed.guest(index)?.ns, bed.guest(0)?.addr(Family::V4), 1)?;
    bed.unplug(index)?;
    ensure!(bed.host.link(&bed.guest(index)?.port).is_err(), "the port is still there");
    bed.replug(index)?;
    ping(&bed.guest(index)?.ns, bed.guest(0)?.addr(Family::V6), 1)
}

#[test]
fn beds_live_side_by_side_and_leave_nothing() -> Result<()> {
    root_or_skip!();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            std::thread::spawn(|| -> Result<String> {
                let bed = BedSpec::vms(2).bridge().build()?;
                ping(&bed.guest(0)?.ns, bed.guest(1)?.addr(Family::V4), 2)?;
                Ok(bed.host.name().to_owned())
            })
        })
        .collect();
    for thread in threads {
        let name = thread.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        ensure!(!std::path::Path::new("/run/netns").join(&name).exists(), "{name} is left");
    }
    Ok(())
}

#[test]
fn a_panic_leaves_nothing() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let path = bed.host.path();
    let panicked = std::thread::spawn(move || {
        let _bed = bed;
        panic!("on purpose");
    })
    .join();
    ensure!(panicked.is_err() && !path.exists(), "the bed outlived a panic");
    Ok(())
}

#[test]
fn what_a_dead_process_left_is_removed_with_its_processes() -> Result<()> {
    root_or_skip!();
    // A pid that is certainly dead: a reaped child's.
    let mut child = std::process::Command::new("true").spawn()?;
    let dead = child.id();
    child.wait()?;
    let name = format!("wt{dead}x0-h");
    ns::ip(&format!("netns add {name}"))?;
    let mut inside =
        std::process::Command::new("ip").args(["netns", "exec", &name, "sleep", "100"]).spawn()?;
    wait_for(Duration::from_secs(5), "sleep to be inside", || {
        let pids = ns::ip(&format!("netns pids {name}"));
        pids.is_ok_and(|pids| pids.contains(&inside.id().to_string()))
    })?;
    ns::remove_stale();
    ensure!(!std::path::Path::new("/run/netns").join(&name).exists(), "{name} is left");
    let status = inside.wait()?;
    ensure!(!status.success(), "sleep ended by itself");
    ensure!(kill(Pid::from_raw(i32::try_from(dead)?), None::<Signal>).is_err());
    Ok(())
}
