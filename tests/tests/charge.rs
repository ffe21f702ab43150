//! Frames of the host and the bridge to a link with a rate: they pass, are charged to the link once,
//! and are shown; VMs get the rest.

use anyhow::{Context as _, Result, ensure};
use aya::programs::{SchedClassifier, TcAttachType};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use system_tests::bed::{Family, GUEST_IF, UPLINK_PORT};
use system_tests::drive::udp_exact;
use system_tests::gate::{self, Marked, SOON, wait_express};
use system_tests::observer::attach;
use system_tests::traffic::{Rate, Sink, Source, ping, tcp, unique};
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Weir, WeirSpec, ledger, root_or_skip};
use weir_api::{LaneNow, LinkLane, PortReport};
use weir_rig::{Action, Hook, Program};

/// Low enough for an emulated machine.
const RATE: u64 = 8_000_000;
/// Payload of a datagram, and bytes of its frame.
const SIZE: usize = 1200;
const FRAME: u64 = SIZE as u64 + 42;
const HOST: u16 = 1;
/// Datagrams a second that make one and a half times the link's rate.
const FLOOD: u64 = RATE * 3 / 2 / 8 / FRAME;

/// Two VMs and an uplink with a rate; the host has an address on the bridge.
fn bed() -> Result<(Bed, Weir)> {
    let bed = BedSpec::vms(2).bridge().build()?;
    bed.host.ip("address add 10.0.0.100/24 dev br0")?;
    let weir = gate::start_with(&bed, &WeirSpec::bridge().lane("auto"))?;
    set_rate(&weir, json!("8Mbit"))?;
    wait_ok(SOON, "the host to reach the uplink", || {
        ping(&bed.host, bed.uplink.addr(Family::V4), 1).map(drop)
    })?;
    wait_express(&weir, bed.guest(0)?, &bed.uplink)?;
    wait_express(&weir, bed.guest(1)?, &bed.uplink)?;
    Ok((bed, weir))
}

fn set_rate(weir: &Weir, rate: Value) -> Result<()> {
    weir.patch(&json!({ "ports": { UPLINK_PORT: { "rate": rate } } })).map(drop)
}

/// The state of the uplink's link.
fn link(weir: &Weir) -> Result<LinkLane> {
    weir.link(UPLINK_PORT)
}

fn flow(sink: &Sink, flow: u16, per_s: u64) -> Source {
    Source { flow, size: SIZE, rate: Rate::pps(per_s), ..Source::to(sink.addr()) }
}

#[test]
fn vms_share_what_the_host_leaves_of_a_link() -> Result<()> {
    root_or_skip!();
    let (bed, weir) = bed()?;
    let sink = Sink::start(&bed.uplink.ns, bed.uplink.socket(Family::V4, 4000))?;
    let before = link(&weir)?.charged.frames;
    // Half of the link, and three times the link.
    let host = flow(&sink, HOST, RATE / 2 / 8 / FRAME).start(&bed.host)?;
    let floods = [
        flow(&sink, 2, FLOOD).start(&bed.guest(0)?.ns)?,
        flow(&sink, 3, FLOOD).start(&bed.guest(1)?.ns)?,
    ];
    let came = |more: u64| {
        let from = sink.so_far();
        wait_ok(SOON, "the link to be full for a while", || {
            ensure!(sink.so_far() >= from + more, "{}", sink.so_far());
            Ok(())
        })
    };
    came(500)?;
    let (start, from) = (Instant::now(), sink.so_far());
    came(2_500)?;
    let (frames, took) = (sink.so_far() - from, start.elapsed());
    let stats = weir.stats()?;
    for flood in floods {
        flood.stop()?;
    }
    let sent = host.stop()?;
    wait_ok(SOON, "the queues to drain", || {
        let queued = ledger::number(&weir.stats()?, UPLINK_PORT, |port| port.queued.packets);
        ensure!(queued == 0, "{queued}");
        Ok(())
    })?;
    weir.assert_ledger()?;
    let got = sink.finish()?;
    // Over the window: the rate, a late worker's catching up, the host's bursts, and what the sink had yet
    // to read when it began.
    let bits = (frames * FRAME * 8) as f64;
    let may = RATE as f64 * (took.as_secs_f64() * 1.01 + 0.100);
    ensure!(bits < may, "{bits} bits in {took:?}, {may} are the rate\n{stats:#?}");
    ensure!(bits > 0.8 * RATE as f64 * took.as_secs_f64(), "{bits} bits in {took:?}\n{stats:#?}");
    ensure!(unique(&got, HOST) == sent.datagrams, "{} of {sent:?}", unique(&got, HOST));
    let (a, b) = (unique(&got, 2), unique(&got, 3));
    ensure!(a.abs_diff(b) * 20 < a + b, "equal weights: {a} and {b}");
    ensure!((got.duplicates, got.reordered) == (0, 0), "{got:?}");
    // The VMs' frames, which a worker sent meanwhile, are not among the charged ones.
    let charged = link(&weir)?.charged.frames - before;
    ensure!((sent.datagrams..sent.datagrams + 50).contains(&charged), "{charged} for {sent:?}");
    let text = weir.cli_ok(&bed, "stats")?;
    ensure!(text.contains("\nLINKS ") && !text.contains("no room is left"), "{text}");
    weir.stop()
}

#[test]
fn a_host_that_takes_all_of_a_link_is_told_of_and_does_not_keep_it() -> Result<()> {
    root_or_skip!();
    let (bed, weir) = bed()?;
    let sink = Sink::start(&bed.uplink.ns, bed.uplink.socket(Family::V4, 4000))?;
    let flood = flow(&sink, 2, FLOOD).start(&bed.guest(0)?.ns)?;
    let host = flow(&sink, HOST, 2 * RATE / 8 / FRAME).start(&bed.host)?;
    wait_ok(SOON, "the link to be taken by the host", || {
        let text = weir.cli_ok(&bed, "stats")?;
        ensure!(text.contains("no room is left\n"), "{text}");
        let ahead = link(&weir)?.ahead_ns;
        ensure!((20_000_000..=100_000_000).contains(&ahead), "{ahead} ns");
        Ok(())
    })?;
    let sent = host.stop()?;
    let room = wait_ok(SOON, "the link to have room", || {
        let ahead = link(&weir)?.ahead_ns;
        ensure!(ahead < 20_000_000, "{ahead} ns are taken");
        Ok(())
    });
    let has_it = sink.wait_for(sink.so_far() + 100, SOON).context("the VM does not have the link");
    flood.stop()?;
    room.and(has_it).with_context(|| weir.said())?;
    weir.assert_ledger()?;
    let got = sink.finish()?;
    ensure!(unique(&got, HOST) == sent.datagrams, "{} of {sent:?}", unique(&got, HOST));
    weir.stop()
}

#[test]
fn what_weir_itself_sends_is_not_charged_again() -> Result<()> {
    root_or_skip!();
    let (bed, weir) = bed()?;
    // A rate that this test never reaches.
    set_rate(&weir, json!("10Gbit"))?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    let is_sent = |lane: LaneNow, what: &str, send: &dyn Fn() -> Result<()>| {
        let counts = || {
            let stats = weir.assert_ledger()?;
            let sent = |port: &PortReport| match lane {
                LaneNow::Express => port.tx_lanes.express.frames,
                LaneNow::Scheduled => port.tx_lanes.scheduled.frames,
            };
            anyhow::Ok((ledger::number(&stats, UPLINK_PORT, sent), link(&weir)?.charged.frames))
        };
        let before = counts()?;
        send()?;
        let after = counts()?;
        let (sent, charged) = (after.0 - before.0, after.1 - before.1);
        ensure!(sent >= 100, "{what}: {sent} frames by {lane}");
        // The host's and the guests' own traffic: addresses, multicast.
        ensure!(charged < 20, "{what}: {charged} of {sent} frames were charged again");
        Ok(())
    };
    let datagrams = || udp_exact(one, up, Family::V4, 300, 500);
    is_sent(LaneNow::Express, "bpf_redirect_peer", &datagrams)?;
    let program = attach(&up.ns, GUEST_IF, Program::count(Action::Pass)?, Hook::Native)?;
    wait_ok(SOON, "the uplink to be reached by bpf_redirect", || {
        let way = gate::told(&bed, UPLINK_PORT)?.method_for(0);
        ensure!(way == Some(weir_abi::Method::Redirect), "{way:?}");
        Ok(())
    })?;
    wait_express(&weir, one, up)?;
    is_sent(LaneNow::Express, "bpf_redirect", &datagrams)?;
    drop(program);
    weir.patch(&json!({ "ports": { "v1": { "lane": "scheduled" } } }))?;
    gate::wait_steered(&weir, one, up)?;
    is_sent(LaneNow::Scheduled, "an AF_XDP socket", &datagrams)?;
    let superframes =
        || ledger::number(&weir.stats().unwrap_or_default(), "v1", |port| port.rx.superframes);
    let before = superframes();
    // Repeated, since a slow machine needs several rounds for enough frames.
    let flow = || {
        wait_ok(SOON, "superframes by a worker", || {
            tcp(one, up, Family::V4, 1, Duration::from_secs(1), &[])?;
            ensure!(superframes() > before + 120);
            Ok(())
        })
    };
    is_sent(LaneNow::Scheduled, "a packet socket", &flow)?;

    // Frames that the bridge forwards are charged: here, for an unknown address.
    let before = link(&weir)?.charged.frames;
    let unknown = gate::marked(one.mac(), [2, 0, 0, 0, 9, 9], &[]);
    Marked { from: one, frame: &unknown, seen: gate::PLAIN }.reach(&weir, &[up], &[])?;
    let charged = link(&weir)?.charged.frames - before;
    ensure!((10..30).contains(&charged), "{charged} for 10 frames of the bridge's");
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_link_is_charged_while_it_has_a_rate_and_is_served() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).bridge().build()?;
    let weir = gate::start_with(&bed, &WeirSpec::bridge().lane("auto"))?;
    let attached = |expected: &str, count: usize| {
        let at = |port: &str| {
            let query = || Ok(SchedClassifier::query_tcx(port, TcAttachType::Egress)?);
            anyhow::Ok(bed.host.run(query)?.1.len())
        };
        wait_ok(SOON, &format!("programs at egress: {expected}"), || {
            let found = (at("v1")?, at(UPLINK_PORT)?);
            ensure!(found == (count, 0), "{found:?}");
            Ok(())
        })
    };
    let set = |rate: Value| weir.patch(&json!({ "ports": { "v1": { "rate": rate } } }));
    attached("at first", 0)?;
    set(json!("100Mbit"))?;
    attached("with a rate", 1)?;
    let doctor = weir.cli(&bed, "doctor v1")?;
    let said = String::from_utf8_lossy(&doctor.stdout);
    ensure!(said.contains("v1") && !said.contains("weir_"), "its own program is foreign: {said}");
    set(json!("200Mbit"))?;
    attached("with another rate", 1)?;
    set(Value::Null)?;
    attached("without", 0)?;
    set(json!("100Mbit"))?;
    bed.unplug(0)?;
    weir.wait_port("v1", &["gone", "absent"])?;
    bed.replug(0)?;
    weir.wait_port("v1", &["up"])?;
    attached("of a port that is back", 1)?;
    // The bridge floods this frame from the uplink, for an unknown address, to the guest: that is charged.
    let frame = gate::marked(bed.uplink.mac(), [2, 0, 0, 0, 9, 9], &[]);
    let charged = || {
        let frames = |port: &PortReport| port.link.map_or(0, |link| link.charged.frames);
        anyhow::Ok(ledger::number(&weir.stats()?, "v1", frames))
    };
    let before = charged()?;
    let one = bed.guest(0)?;
    Marked { from: &bed.uplink, frame: &frame, seen: gate::PLAIN }.reach(&weir, &[one], &[])?;
    ensure!(charged()? >= before + 10, "{} after {before}", charged()?);
    weir.assert_ledger()?;
    weir.stop()?;
    attached("after the end", 0)
}
