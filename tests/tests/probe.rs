//! `weir probe` through weir: exact counts in both families, and a loss that two sides agree on.

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Stdio};
use std::time::Duration;
use system_tests::bed::{FAMILIES, Family, GUEST_IF};
use system_tests::drive::ping_all;
use system_tests::wait::{wait_for, wait_ok};
use system_tests::weir::binary;
use system_tests::{Bed, BedSpec, Guest, Ns, Weir, WeirSpec, ledger, root_or_skip};
use weir_api::PortReport;

/// A probe ends by itself well before; otherwise it hangs.
const END: Duration = Duration::from_secs(30);
const PORT: u16 = 9000;

/// `weir probe WORDS --json` in a namespace.
struct Probe {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Probe {
    /// Starts it and waits for its first message: it listens, or begins to send.
    fn start(ns: &Ns, words: &str) -> Result<Self> {
        let mut child = ns
            .cmd(binary()?.to_str().context("the path is not UTF-8")?)
            .arg("probe")
            .args(words.split(' '))
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start a probe")?;
        let said = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut probe = Self { child, said };
        let mut line = String::new();
        probe.said.read_line(&mut line)?;
        let begun = ["listening on", "sending", "counting"];
        if begun.iter().any(|word| line.contains(word)) {
            return Ok(probe);
        }
        probe.said.read_to_string(&mut line)?;
        Err(anyhow!("probe {words}: {line}"))
    }

    fn interrupt(&self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT).context("it is gone")
    }

    /// Its report.
    fn report(mut self) -> Result<Value> {
        let mut out = self.child.stdout.take().context("no stdout")?;
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        });
        let status =
            wait_ok(END, "a probe to end", || self.child.try_wait()?.context("it still runs"))?;
        let text = reader.join().map_err(|_| anyhow!("the reader panicked"))??;
        let mut said = String::new();
        self.said.read_to_string(&mut said)?;
        ensure!(status.success(), "a probe ended with {status}: {said}");
        serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(value: &Value, field: &str) -> Result<u64> {
    value[field].as_u64().with_context(|| format!("no {field} in {value:#}"))
}

/// All addresses are known: a flooded frame is counted, and lost, more than once.
fn start(bed: &Bed, spec: &WeirSpec) -> Result<Weir> {
    let weir = Weir::start(bed, spec)?;
    ping_all(bed)?;
    bed.learn_neighbours()?;
    Ok(weir)
}

fn send(from: &Guest, to: &Guest, family: Family, more: &str) -> Result<Value> {
    let words = format!("send {} {more}", to.socket(family, PORT));
    Probe::start(&from.ns, &words)?.report()
}

#[test]
fn nothing_is_lost_at_two_thousand_a_second() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = start(&bed, &WeirSpec::default())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    for family in FAMILIES {
        let sink = Probe::start(&two.ns, &format!("sink --port {PORT}"))?;
        let sent = send(one, two, family, "--rate 2kpps --duration 1s --flows 3")?;
        let sunk = sink.report()?;
        let session = &sunk["sessions"][0];
        let count = number(&sent, "datagrams")?;
        ensure!(count == 2000, "{family:?}: {sent:#}");
        for (field, expected) in
            [("sent", count), ("unique", count), ("lost", 0), ("duplicates", 0), ("reordered", 0)]
        {
            ensure!(number(session, field)? == expected, "{family:?}: {field}: {sunk:#}");
        }
        ensure!(number(&session["latency"], "count")? == count, "{sunk:#}");
        ensure!(number(&sent["acknowledged"], "received")? == count, "{sent:#}");
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn every_answer_comes_back() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let weir = start(&bed, &WeirSpec::default())?;
    for family in FAMILIES {
        let reflector = Probe::start(&bed.uplink.ns, &format!("reflect --port {PORT} --once"))?;
        let more = "--rate 1kpps --count 500 --size 64..1400 --rtt";
        let sent = send(bed.guest(0)?, &bed.uplink, family, more)?;
        let reflected = reflector.report()?;
        let trips = &sent["round_trips"];
        ensure!(number(trips, "unique")? == 500, "{family:?}: {sent:#}");
        ensure!(number(trips, "lost_on_the_way_back")? == 0, "{family:?}: {sent:#}");
        ensure!(number(&trips["rtt"], "count")? == 500, "{family:?}: {sent:#}");
        ensure!(number(&sent["acknowledged"], "lost")? == 0, "{family:?}: {sent:#}");
        ensure!(number(&reflected["sessions"][0], "replied")? == 500, "{reflected:#}");
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn what_the_sink_misses_is_what_the_ledger_says_was_lost() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let slow = "max-rate = \"2Mbit\"\nqueue = \"64KiB\"";
    let weir = start(&bed, &WeirSpec::default().port("v1", slow))?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let before = weir.assert_ledger()?.ledger.lost;
    let sink = Probe::start(&two.ns, &format!("sink --port {PORT}"))?;
    // Four times v1's maximum; the queue is empty again before the sender's end.
    let more = "--rate 8Mbit --size 958 --duration 1s --settle 1s";
    let sent = send(one, two, Family::V4, more)?;
    let sunk = sink.report()?;
    let stats = weir.assert_ledger()?;
    let lost = stats.ledger.lost - before;
    let session = &sunk["sessions"][0];
    ensure!(number(&sent, "datagrams")? == 1000, "{sent:#}");
    ensure!(lost > 100, "nothing much was lost: {stats:#?}");
    ensure!(number(session, "lost")? == lost, "{lost} in the ledger: {sunk:#}");
    ensure!(number(session, "unique")? == 1000 - lost, "{sunk:#}");
    ensure!(number(&sent["acknowledged"], "lost")? == lost, "{sent:#}");
    let of_v1: u64 = ledger::number(&stats, &one.port, PortReport::lost);
    ensure!(of_v1 >= lost, "v1 lost {of_v1}: {stats:#?}");
    weir.stop()
}

#[test]
fn an_interrupted_sender_tells_what_there_is() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = start(&bed, &WeirSpec::default())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let sink = Probe::start(&two.ns, &format!("sink --port {PORT}"))?;
    let to = two.socket(Family::V6, PORT);
    let delivered = || anyhow::Ok(weir.stats()?.ledger.delivered);
    let before = delivered()?;
    let sender = Probe::start(&one.ns, &format!("send {to} --duration 600s"))?;
    wait_for(END, "a hundred datagrams", || delivered().is_ok_and(|now| now >= before + 100))?;
    sender.interrupt()?;
    let (sent, sunk) = (sender.report()?, sink.report()?);
    let count = number(&sent, "datagrams")?;
    let session = &sunk["sessions"][0];
    ensure!(count >= 100 && number(session, "unique")? == count, "{sent:#}\n{sunk:#}");
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn raw_frames_are_counted_at_both_ends() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = start(&bed, &WeirSpec::default())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    // The kernel puts no live frames into a veth that does not poll.
    bed.host.ethtool("-K v1 gro on")?;
    for (family, way) in [(Family::V4, "--af-xdp"), (Family::V6, "--af-xdp"), (Family::V4, "")] {
        let sink = Probe::start(&two.ns, &format!("sink --port {PORT} --raw {GUEST_IF}"))?;
        let to = two.socket(family, PORT);
        let words = format!(
            "send {to} --raw {GUEST_IF} --dst-mac {} --rate 1kpps --count 200 --size 18 {way}",
            two.mac_text()
        );
        let sent = Probe::start(&one.ns, words.trim())?.report()?;
        ensure!(number(&sent, "frames")? == 200, "{sent:#}");
        let stats = weir.assert_ledger()?;
        sink.interrupt()?;
        let counted = number(&sink.report()?, "frames")?;
        if sent["way"] == "af-xdp" {
            ensure!(counted == 200, "{counted} came: {sent:#}\n{stats:#?}");
        } else {
            // The kernel hands over many at once, more than a ring may have room for.
            ensure!((1..=200).contains(&counted), "{counted} came: {sent:#}\n{stats:#?}");
        }
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn the_floor_leaves_nothing_behind() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    let dir = tempfile::tempdir()?;
    let (hgrm, hlog) = (dir.path().join("floor.hgrm"), dir.path().join("floor.hlog"));
    let before = bed.host.ip("-o link")?.lines().count();
    for family in ["", "--ipv6 "] {
        let words = format!(
            "floor {family}--count 500 --timestamps kernel --hgrm {} --hlog {}",
            hgrm.display(),
            hlog.display()
        );
        let report = Probe::start(&bed.host, &words)?.report()?;
        let session = &report["sink"]["sessions"][0];
        ensure!(number(session, "unique")? == 500, "{report:#}");
        ensure!(number(session, "lost")? == 0, "{report:#}");
        ensure!(number(&session["waking"], "count")? == 500, "{report:#}");
        ensure!(std::fs::read_to_string(&hgrm)?.contains("Total count    =          500]"));
        ensure!(std::fs::read_to_string(&hlog)?.contains("Tag=interarrival,"));
    }
    ensure!(bed.host.ip("-o link")?.lines().count() == before, "{}", bed.host.ip("-o link")?);
    weir.assert_ledger()?;
    weir.stop()
}
