//! Injected losses, on a bed: one frame is lost in each way that a guest can bring about. It appears in
//! the ledger and at its port under that way's reason, once, and under no other.
//!
//! Losses that need a misbehaving kernel or device are injected in the worker's own tests, on ports
//! without a kernel; those that need a bare program, in `program/losses.rs`. [`level`] has the place of
//! each.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use system_tests::bed::{GUEST_IF, UPLINK_PORT};
use system_tests::traffic::raw::{self, RawSocket};
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec, ledger, root_or_skip, wait_for};
use weir_api::StatsReport;
use weir_core::Reason;

const SOON: Duration = Duration::from_secs(10);
/// Reserved for experiments, so that no other frames have it.
const ETHERTYPE: u16 = 0x88b5;

/// The place of a reason's injection.
#[derive(Debug, PartialEq, Eq)]
enum Level {
    /// Here.
    Bed,
    /// `tests/tests/program/losses.rs`: the program run on one frame.
    Program,
    /// `forwarder/src/worker/tests/losses.rs`: ports whose kernel misbehaves on demand.
    Worker,
}

/// A new reason does not compile until its injection has a place.
fn level(reason: Reason) -> Level {
    match reason {
        Reason::Malformed
        | Reason::Spoofed
        | Reason::Shed
        | Reason::RxRingFull
        | Reason::RxShare
        | Reason::QueueFull
        | Reason::MtuExceeded
        | Reason::Stalled
        | Reason::PortGone
        | Reason::Shutdown => Level::Bed,
        Reason::NoMeta | Reason::FallbackDrop | Reason::Reserved | Reason::Storm => Level::Program,
        Reason::FillEmpty
        | Reason::BadDescriptor
        | Reason::TruncatedChain
        | Reason::NoEgress
        | Reason::NoFrames
        | Reason::GsoUnsupported
        | Reason::TxBusy
        | Reason::TxError => Level::Worker,
    }
}

/// Losses so far by reason: in all, and at one port.
fn lost(stats: &StatsReport, port: Option<&str>) -> BTreeMap<String, u64> {
    match port {
        None => stats.ledger.lost_by_reason.clone(),
        Some(port) => stats.port(port).map(|port| port.losses.clone()).unwrap_or_default(),
    }
}

/// Losses between two readings, by reason.
fn since(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let more = |(reason, n): (&String, &u64)| {
        let more = n - before.get(reason).copied().unwrap_or(0);
        (more > 0).then(|| (reason.clone(), more))
    };
    after.iter().filter_map(more).collect()
}

/// Asserts that `inject` loses one frame under `reason`, counted at `port`, and nothing else.
fn injected(
    weir: &Weir,
    reason: Reason,
    port: Option<&str>,
    inject: impl FnOnce() -> Result<()>,
) -> Result<()> {
    ensure!(level(reason) == Level::Bed, "{reason} is said to be injected elsewhere");
    let before = weir.assert_ledger()?;
    inject().with_context(|| reason.name())?;
    wait_for(SOON, &format!("a frame lost under {reason}"), || {
        weir.stats().is_ok_and(|stats| lost(&stats, None) != lost(&before, None))
    })
    .with_context(|| format!("{:#?}", weir.stats()))?;
    check_one(&before, &weir.assert_ledger()?, reason, port)
}

fn check_one(
    before: &StatsReport,
    after: &StatsReport,
    reason: Reason,
    port: Option<&str>,
) -> Result<()> {
    let one = BTreeMap::from([(reason.name().to_owned(), 1)]);
    let more = since(&lost(before, None), &lost(after, None));
    ensure!(more == one, "{reason}: lost {more:?}\n{after:#?}");
    if let Some(port) = port {
        let more = since(&lost(before, Some(port)), &lost(after, Some(port)));
        ensure!(more == one, "{reason}: {port} lost {more:?}\n{after:#?}");
    }
    Ok(())
}

/// A bed whose guests' kernels send nothing by themselves: all frames are the test's.
fn silent(vms: u8) -> Result<Bed> {
    let bed = BedSpec::vms(vms).build()?;
    for guest in bed.guests.iter().chain([&bed.uplink]) {
        guest.ns.sysctl(&format!("ipv6/conf/{GUEST_IF}/disable_ipv6"), "1")?;
    }
    Ok(bed)
}

/// Every guest sends once, so that nothing is flooded from then on.
fn introduce(weir: &Weir, bed: &Bed) -> Result<()> {
    let all = || bed.guests.iter().chain([&bed.uplink]);
    for guest in all() {
        RawSocket::open(guest)?.send(&plain(guest, [0xff; 6], 60))?;
    }
    wait_for(SOON, "all addresses to be known at the gate", || {
        let known = |stats: &StatsReport, port: &str| {
            ledger::number(stats, port, |port| port.counter("addresses"))
        };
        weir.stats().is_ok_and(|stats| all().all(|guest| known(&stats, &guest.port) == 1))
    })?;
    // IPv4 neighbours, for frames that sockets send.
    for guest in all() {
        let lines: Vec<String> = all()
            .filter(|other| other.number != guest.number)
            .map(|other| {
                let (address, mac) = (other.v4(), other.mac_text());
                format!("neighbour replace {address} lladdr {mac} dev {GUEST_IF} nud permanent")
            })
            .collect();
        guest.ns.ip_batch(&lines)?;
    }
    Ok(())
}

fn plain(from: &Guest, to: [u8; 6], len: usize) -> Vec<u8> {
    raw::frame(to, from.mac(), &[], ETHERTYPE, &vec![7; len - 14])
}

#[test]
fn what_one_guest_does_wrong_is_lost_once_under_its_name() -> Result<()> {
    root_or_skip!();
    let bed = silent(2)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let locks = format!("mac-lock = [\"{}\"]\nip-lock = [\"{}\"]", one.mac_text(), one.v4());
    let weir = Weir::start(&bed, &WeirSpec::default().port("v1", &locks))?;
    introduce(&weir, &bed)?;
    let socket = RawSocket::open(one)?;
    let v1 = Some("v1");

    injected(&weir, Reason::Malformed, v1, || {
        // It ends before the address that the lock checks.
        let whole = raw::frame(two.mac(), one.mac(), &[], 0x0800, &[0x45; 46]);
        socket.send(&whole[..14 + 19])
    })?;
    injected(&weir, Reason::Spoofed, v1, || socket.send(&plain(two, two.mac(), 60)))?;
    injected(&weir, Reason::MtuExceeded, Some("v2"), || {
        // Only the first guest allows longer packets.
        bed.host.ip("link set dev v1 mtu 3000")?;
        one.ns.ip(&format!("link set dev {GUEST_IF} mtu 3000"))?;
        socket.send(&plain(one, two.mac(), 2500))
    })?;
    weir.stop()
}

/// Sets the rate of the uplink's link. At such a rate, a frame takes minutes: after the initial burst
/// nothing leaves the link while a test lasts.
fn set_rate(weir: &Weir, rate: &str) -> Result<()> {
    weir.patch(&json!({"ports": {UPLINK_PORT: {"rate": rate}}})).map(drop)
}

const STUCK: &str = "0.1Kbit";

/// Sends frames to the uplink until one waits for the link; returns how many went before it.
fn fill_link(weir: &Weir, from: &Guest, socket: &RawSocket, up: &Guest) -> Result<()> {
    for _ in 0..20 {
        let before = weir.stats()?;
        one_more(weir, &before, || socket.send(&plain(from, up.mac(), 1000)))?;
        if queued(&weir.stats()?) == 1 {
            return Ok(());
        }
    }
    anyhow::bail!("nothing waits for the slow link\n{:#?}", weir.stats()?)
}

fn queued(stats: &StatsReport) -> u64 {
    ledger::number(stats, UPLINK_PORT, |port| port.queued.packets)
}

/// Waits until the frame that `send` sends is queued for the uplink, sent there, or lost.
fn one_more(
    weir: &Weir,
    before: &StatsReport,
    send: impl FnOnce() -> Result<()>,
) -> Result<StatsReport> {
    let ended = |stats: &StatsReport| {
        let sent = ledger::number(stats, UPLINK_PORT, |port| port.tx.frames);
        sent + queued(stats) + lost(stats, None).values().sum::<u64>()
    };
    send()?;
    wait_for(SOON, "a frame to be queued, sent or lost", || {
        weir.stats().is_ok_and(|stats| ended(&stats) > ended(before))
    })?;
    weir.stats()
}

#[test]
fn a_full_queue_loses_one_and_the_program_the_next() -> Result<()> {
    root_or_skip!();
    let bed = silent(1)?;
    let weir = Weir::start(&bed, &WeirSpec::default().port("v1", "queue = \"16KiB\""))?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    introduce(&weir, &bed)?;
    set_rate(&weir, STUCK)?;
    let socket = RawSocket::open(one)?;
    let mut before = weir.stats()?;
    // One at a time: of two frames sent at once, both may arrive before the program sees the bit.
    for reason in [Reason::QueueFull, Reason::Shed] {
        let mut frames = 0;
        loop {
            let after = one_more(&weir, &before, || socket.send(&plain(one, up.mac(), 1458)))?;
            if lost(&after, None) == lost(&before, None) {
                before = after;
                frames += 1;
                ensure!(frames < 40, "the queue has no end\n{before:#?}");
                continue;
            }
            check_one(&before, &after, reason, Some("v1"))?;
            before = after;
            break;
        }
        // The bit is set before the worker's next look at its rings, and reported after it.
        wait_for(SOON, "the flood to be shed", || {
            weir.stats().is_ok_and(|stats| {
                stats.port("v1").is_some_and(|port| port.links.iter().any(|link| link.shed))
            })
        })?;
    }
    set_rate(&weir, "1Gbit")?;
    check_sum(&weir.assert_ledger()?, &[(Reason::QueueFull, 1), (Reason::Shed, 1)])?;
    weir.stop()
}

/// Checks all losses so far.
fn check_sum(stats: &StatsReport, expected: &[(Reason, u64)]) -> Result<()> {
    let expected: BTreeMap<String, u64> =
        expected.iter().map(|(reason, n)| (reason.name().to_owned(), *n)).collect();
    ensure!(lost(stats, None) == expected, "{stats:#?}");
    Ok(())
}

#[test]
fn what_waits_is_lost_with_a_worker_that_stands_still_with_its_port_or_with_weir() -> Result<()> {
    root_or_skip!();
    let bed = silent(2)?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    let sockets = [RawSocket::open(one)?, RawSocket::open(two)?];
    introduce(&weir, &bed)?;
    set_rate(&weir, STUCK)?;
    fill_link(&weir, one, &sockets[0], up)?;
    let before = weir.stats()?;
    weir.while_stopped(|| {
        // For longer than the gate waits for it.
        std::thread::sleep(Duration::from_millis(600));
        Ok(())
    })?;
    check_one(&before, &weir.assert_ledger()?, Reason::Stalled, Some("v1"))?;
    fill_link(&weir, one, &sockets[0], up)?;
    let before = weir.stats()?;
    weir.patch(&json!({"ports": {"v1": null}}))?;
    let after = weir.assert_ledger()?;
    check_one(&before, &after, Reason::PortGone, None)?;
    fill_link(&weir, two, &sockets[1], up)?;
    let said = weir.end_and_listen(Signal::SIGTERM)?;
    let last = said.lines().find(|line| line.contains("stopped: received")).context("no ledger")?;
    ensure!(last.contains("port_gone 1") && last.contains("shutdown 1"), "{last}");
    ensure!(last.contains("lost 3 (") && last.contains("stalled 1"), "{last}");
    ensure!(!last.contains("NOT balanced"), "{last}");
    Ok(())
}

/// A worker that does not look at its rings: frames that they do not hold are lost at its door. At the
/// gate a source has a part of the ring that ports share; in native mode the port's own ring is full.
fn one_more_than_fits(mode: &'static str, reason: Reason) -> Result<()> {
    let bed = silent(2)?;
    let weir = Weir::start(&bed, &WeirSpec { mode, ..WeirSpec::default() })?;
    introduce(&weir, &bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let socket = RawSocket::open(one)?;
    let stopped = |frames: u64| -> Result<BTreeMap<String, u64>> {
        let before = weir.assert_ledger()?;
        weir.while_stopped(|| {
            (0..frames).try_for_each(|_| socket.send(&plain(one, two.mac(), 60)))?;
            // They pass the program on this core or, on a busy one, a little later.
            std::thread::sleep(Duration::from_millis(100));
            Ok(())
        })?;
        Ok(since(&lost(&before, None), &lost(&weir.assert_ledger()?, None)))
    };
    // The test finds out what the ring holds: its size is not guaranteed.
    let (flood, name) = (5000, reason.name());
    ensure!(level(reason) == Level::Bed);
    // A machine that delivered late, to a worker that ran again, proves nothing; nor does one that took
    // so long that the worker was taken for stalled.
    let is_stalled = |lost: &BTreeMap<String, u64>| lost.contains_key(Reason::Stalled.name());
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        let lost = stopped(flood)?;
        if is_stalled(&lost) {
            continue;
        }
        ensure!(lost.keys().all(|reason| reason == name), "{lost:?}");
        let Some(more) = lost.get(name) else { continue };
        let lost = stopped(flood - more + 1)?;
        if is_stalled(&lost) {
            continue;
        }
        ensure!(lost.keys().all(|reason| reason == name), "{lost:?}");
        if lost.get(name) == Some(&1) {
            return weir.stop();
        }
    }
    anyhow::bail!("no run had exactly one frame too many")
}

#[test]
fn one_frame_more_than_a_sources_share_is_lost_at_the_gate() -> Result<()> {
    root_or_skip!();
    one_more_than_fits("gate", Reason::RxShare)
}

#[test]
fn one_frame_more_than_the_ring_holds_is_lost_at_the_workers_door() -> Result<()> {
    root_or_skip!();
    one_more_than_fits("native", Reason::RxRingFull)
}
