//! The gates outlive weir: killed, started again, started anew with other ports, taken off without it.
//! Frames on open links are neither lost nor late, and nothing is left in the end.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::drive::{everybody_talks, ping_all};
use system_tests::gate::SOON;
use system_tests::traffic::udp_source::Sending;
use system_tests::traffic::{Pace, Sink, Source, ping};
use system_tests::wait::wait_ok;
use system_tests::weir::run_to_end;
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec, kept, ledger, root_or_skip};

/// What goes by the express lane.
fn express(weir: &Weir, port: &str) -> Result<u64> {
    Ok(ledger::number(&weir.stats()?, port, "/lanes/express/frames"))
}

/// Waits until the gate hands over what two guests say to each other.
fn wait_express(weir: &Weir, one: &Guest, two: &Guest) -> Result<()> {
    wait_ok(SOON, "the express lane", || {
        let before = (express(weir, &one.port)?, express(weir, &two.port)?);
        ping(&one.ns, two.addr(Family::V4), 1)?;
        let after = (express(weir, &one.port)?, express(weir, &two.port)?);
        ensure!(after.0 > before.0 && after.1 > before.1, "{before:?} before, {after:?} after");
        Ok(())
    })
}

/// The ids of the links, by interface index.
fn ids(bed: &Bed) -> Result<BTreeMap<u32, u32>> {
    Ok(kept::links(&bed.host)?.into_iter().map(|(ifindex, link)| (ifindex, link.id)).collect())
}

fn spec() -> WeirSpec {
    WeirSpec::bridge().lane("auto")
}

fn start(bed: &Bed, dir: &Path) -> Result<Weir> {
    let weir = Weir::start_in(bed, &spec(), dir)?;
    bed.ports().iter().try_for_each(|port| weir.wait_port(port, &["up"]))?;
    Ok(weir)
}

/// Datagrams for which sockets of a guest had no room: its reader did not get to run.
fn unread(guest: &Guest) -> Result<u64> {
    let text = guest.ns.run(|| Ok(std::fs::read_to_string("/proc/thread-self/net/snmp")?))?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next().context("no names")?, lines.next().context("no values")?);
    let mut both = names.split_whitespace().zip(values.split_whitespace());
    let (_, value) = both.find(|(name, _)| *name == "RcvbufErrors").context("not counted")?;
    Ok(value.parse()?)
}

/// Numbered datagrams at a rate, on a core of their own.
struct Numbered<'a> {
    to: &'a Guest,
    unread: u64,
    sink: Sink,
    sending: Sending,
}

impl<'a> Numbered<'a> {
    fn start(from: &Guest, to: &'a Guest, rate: u64) -> Result<Self> {
        let unread = unread(to)?;
        let sink = Sink::start_on(&to.ns, to.socket(Family::V4, 0), Some(1))?;
        let source = Source { pace: Pace::Rate(rate), core: Some(0), ..Source::to(sink.addr()) };
        let sending = source.start(&from.ns)?;
        sink.wait_for(rate / 10, SOON)?;
        Ok(Self { to, unread, sink, sending })
    }

    fn goes_on(&self, more: u64) -> Result<()> {
        self.sink.wait_for(self.sink.so_far() + more, SOON)
    }

    /// Each has come once, in order.
    fn all_came(self) -> Result<()> {
        let sent = self.sending.stop()?.frames;
        let _ = self.sink.wait_for(sent, Duration::from_secs(2));
        let got = self.sink.finish()?;
        let unread = unread(self.to)? - self.unread;
        let lost = sent - got.unique(0) - unread;
        println!("{sent} sent, {unread} unread, longest gap {} ms", got.longest_gap_ns / 1_000_000);
        ensure!(
            (lost, got.duplicates, got.reordered) == (0, 0, 0),
            "of {sent}: {lost} lost, {} twice, {} late; longest gap {} ms",
            got.duplicates,
            got.reordered,
            got.longest_gap_ns / 1_000_000,
        );
        Ok(())
    }
}

fn detach(bed: &Bed, dir: &Path, more: &[&str]) -> Result<Output> {
    let socket = dir.join("weir.sock");
    let socket = socket.to_str().context("the path is not UTF-8")?;
    run_to_end(bed, &[&["detach", "--control", socket], more].concat())
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

#[test]
fn killed_and_started_again_without_a_frame_lost_or_late() -> Result<()> {
    root_or_skip!();
    const RATE: u64 = 20_000;
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let mut weir = start(&bed, dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    let links = ids(&bed)?;
    ensure!(links.len() == bed.ports().len(), "{links:?}");
    let flow = Numbered::start(one, two, RATE)?;
    for life in 0..4 {
        flow.goes_on(RATE / 10)?;
        weir.kill9()?;
        flow.goes_on(RATE / 5)?;
        ensure!(ids(&bed)? == links, "life {life}: the links went with weir");
        weir = start(&bed, dir.path())?;
        ensure!(ids(&bed)? == links, "life {life}: {links:?} before, {:?} after", ids(&bed)?);
        weir.wait_said("adopted the gate")?;
        let before = express(&weir, &one.port)?;
        wait_ok(SOON, "the flow at the new gate", || {
            let now = express(&weir, &one.port)?;
            ensure!(now > before + RATE / 10, "{now}");
            Ok(())
        })?;
    }
    flow.all_came()?;
    let stats = weir.assert_ledger()?;
    ensure!(stats["ledger"]["lost"] == 0, "{stats:#}");
    everybody_talks(&bed)?;
    weir.assert_ledger()?;
    weir.stop()?;
    for port in bed.ports() {
        ensure!(!bed.host.is_attached(&port)?, "something is left on {port}");
    }
    ensure!(!kept::is_any(&bed.host), "links are left");
    ping_all(&bed)
}
