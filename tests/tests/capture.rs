//! `weir capture` and `weir trace` on known traffic: every frame is there, in and out, with its
//! outcome, and forwarding is not affected.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::drive::ping_all;
use system_tests::traffic::raw::{self, RawSocket};
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec, gate, ledger, root_or_skip};
use weir_api::client::wait;
use weir_api::{ClientError, StatusCode, TraceEvent, TraceLine, TraceOutcome, TracedPacket};

const SOON: Duration = Duration::from_secs(10);
/// No process listens on these ports, and none answers.
const UDP: (u16, u16) = (7001, 7002);

/// A running capture.
struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Starts it, and returns when weir watches.
    fn start(weir: &Weir, bed: &Bed, words: &str, file: &Path) -> Result<Self> {
        let child =
            weir.cli_with(bed, &format!("capture {words} -w {}", file.display()), Stdio::piped)?;
        let mut capture = Self { child, file: file.to_owned() };
        wait_ok(SOON, "the capture to begin", || {
            if let Some(status) = capture.child.try_wait()? {
                bail!("it ended with {status}");
            }
            // weir sends the head of the file first, once all its workers watch.
            ensure!(std::fs::metadata(&capture.file)?.len() > 0, "an empty file");
            Ok(())
        })?;
        Ok(capture)
    }

    /// Ends it as Ctrl-C does; returns its messages.
    fn stop(self) -> Result<String> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        self.wait()
    }

    /// Waits until it ends by itself; returns its messages.
    fn wait(mut self) -> Result<String> {
        let ended =
            wait_ok(SOON, "the capture to end", || self.child.try_wait()?.context("it runs"));
        if ended.is_err() {
            self.child.kill()?;
        }
        let output = self.child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(ended?.success(), "it failed: {said}");
        Ok(said)
    }
}

/// A file as tshark reads it: a row per frame, tab-separated. Any message is an error.
fn tshark(file: &Path, dir: &Path) -> Result<Vec<Vec<String>>> {
    let fields = [
        "frame.interface_name",
        "frame.packet_flags_direction",
        "frame.len",
        "frame.cap_len",
        "udp.dstport",
        "frame.comment",
        "_ws.expert.message",
    ];
    let mut command = Command::new("tshark");
    command.args(["-r", "-", "-n", "-T", "fields"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    // As the user nobody: tshark warns about running as root.
    command.uid(65_534).gid(65_534);
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"] {
        command.env(name, dir);
    }
    command.stdin(File::open(file)?).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().context("tshark (`cargo xtask setup` installs it)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "tshark: {}: {said}", output.status);
    let rows = String::from_utf8(output.stdout)?;
    Ok(rows.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect())
}

/// A folder that tshark may read.
fn folder() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let all = std::fs::Permissions::from_mode(0o755);
    Ok(tempfile::Builder::new().prefix("weir-capture-").permissions(all).tempdir()?)
}

fn udp(from: &Guest, to: &Guest, payload: usize) -> Vec<u8> {
    let body = raw::udp4(from, to, UDP, &vec![0x5a; payload]);
    raw::frame(to.mac(), from.mac(), &[], 0x0800, &body)
}

/// The first guest may send from its own MAC address only.
fn start_with_a_lock(bed: &Bed) -> Result<Weir> {
    let lock = format!("mac-lock = [\"{}\"]", bed.guest(0)?.mac_text());
    let weir = Weir::start(bed, &WeirSpec::default().port("v1", &lock))?;
    gate::acquaint(&weir, bed)?;
    Ok(weir)
}

fn send(from: &Guest, frame: &[u8], count: usize) -> Result<()> {
    let socket = RawSocket::open(from)?;
    (0..count).try_for_each(|_| socket.send(frame))
}

fn count(rows: &[Vec<String>], interface: &str, direction: &str, comment: &str) -> usize {
    let is = |row: &&Vec<String>| {
        row[0] == interface
            && row[1].ends_with(direction)
            && if comment.is_empty() { row[5].is_empty() } else { row[5].starts_with(comment) }
    };
    rows.iter().filter(is).count()
}

const IN: &str = "1";
const OUT: &str = "2";

#[test]
fn tshark_reads_each_frame_with_its_way_and_its_fate() -> Result<()> {
    root_or_skip!();
    let (dir, bed) = (folder()?, BedSpec::vms(2).build()?);
    let weir = start_with_a_lock(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let all = Capture::start(&weir, &bed, "--proto udp --port 7002", &dir.path().join("all"))?;
    send(one, &udp(one, two, 500), 30)?;
    // Dropped by the program: an address of another guest.
    let mut spoofed = udp(one, two, 100);
    spoofed[6..12].copy_from_slice(&[2, 0, 0, 0, 9, 9]);
    send(one, &spoofed, 7)?;
    // Dropped by the worker: too long for the egress.
    let long = udp(one, two, 2000);
    bed.host.ip("link set dev v1 mtu 3000")?;
    one.ns.ip(&format!("link set dev {GUEST_IF} mtu 3000"))?;
    send(one, &long, 5)?;
    let stats = weir.assert_ledger()?;
    ensure!(ledger::lost_under(&stats, "spoofed") == 7, "{stats:#?}");
    let said = all.stop()?;
    // 35 come in and 7 are stopped at the entry; 30 go out and 5 are lost inside.
    ensure!(said.contains("77 packets") && said.contains(" 0 missed"), "{said}");
    let rows = tshark(&dir.path().join("all"), dir.path())?;
    let shown = || format!("{rows:#?}");
    ensure!(rows.len() == 77, "{}", shown());
    ensure!(count(&rows, "v1", IN, "") == 35, "{}", shown());
    ensure!(count(&rows, "v2", OUT, "") == 30, "{}", shown());
    ensure!(count(&rows, "v1", IN, "lost: spoofed - The source") == 7, "{}", shown());
    ensure!(count(&rows, "v1", IN, "lost: mtu_exceeded - ") == 5, "{}", shown());
    ensure!(rows.iter().all(|row| row[2] == row[3] && row[4] == "7002"), "{}", shown());
    // tshark remarks nothing but the comments.
    ensure!(rows.iter().all(|row| row[6] == row[5]), "{}", shown());
    weir.stop()
}

/// The kernel takes a tag out of the frame before the gate; the capture has it among the frame's bytes.
#[test]
fn a_tagged_frame_that_the_gate_drops_is_captured_whole() -> Result<()> {
    root_or_skip!();
    let (dir, bed) = (folder()?, BedSpec::vms(2).build()?);
    let weir = start_with_a_lock(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let file = dir.path().join("tagged");
    let capture = Capture::start(&weir, &bed, "--lost --proto udp --vlan 7", &file)?;
    let body = raw::udp4(one, two, UDP, &[0x5a; 100]);
    for vid in [7, 8] {
        send(one, &raw::frame(two.mac(), [2, 0, 0, 0, 9, 9], &[(0x8100, vid)], 0x0800, &body), 5)?;
    }
    let stats = weir.assert_ledger()?;
    ensure!(ledger::lost_under(&stats, "spoofed") == 10, "{stats:#?}");
    let said = capture.stop()?;
    ensure!(said.contains("5 packets") && said.contains(" 0 missed"), "{said}");
    let rows = tshark(&file, dir.path())?;
    ensure!(count(&rows, "v1", IN, "lost: spoofed - The source") == 5, "{rows:#?}");
    ensure!(rows.iter().all(|row| row[2] == "146" && row[3] == "146"), "{rows:#?}");
    // tshark would remark a packet that ends before its headers say.
    ensure!(rows.len() == 5 && rows.iter().all(|row| row[6] == row[5]), "{rows:#?}");
    weir.stop()
}

#[test]
fn a_capture_shows_what_it_was_asked_for_and_ends_when_it_has_it() -> Result<()> {
    root_or_skip!();
    let dir = folder()?;
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    ping_all(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let file = dir.path().join("some");
    let words = "v2 --dir out --proto udp --count 20 --snaplen 64";
    let capture = Capture::start(&weir, &bed, words, &file)?;
    // One session at a time: the second client is told who runs the first.
    let second = weir.cli(&bed, "trace")?;
    let why = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(!second.status.success() && why.contains("a capture of v2 (weir, process"), "{why}");
    send(one, &udp(one, two, 500), 50)?;
    let said = capture.wait()?;
    ensure!(said.contains("20 packets"), "{said}");
    let rows = tshark(&file, dir.path())?;
    ensure!(count(&rows, "v2", OUT, "") == 20 && rows.len() == 20, "{rows:#?}");
    ensure!(rows.iter().all(|row| row[2] == "542" && row[3] == "64"), "{rows:#?}");

    let refused = weir.cli(&bed, "capture v9 -w /dev/null")?;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(why.contains("there is no port v9; valid: nic0, v1, v2"), "{why}");
    let refused = wait(weir.client().capture("dir=up"));
    let unreadable = matches!(&refused, Err(ClientError::Refused(refused)) if refused.why == StatusCode::BAD_REQUEST);
    ensure!(unreadable, "{refused:?}");

    // A client that is killed frees the slot.
    let mut killed = Capture::start(&weir, &bed, "", &file)?;
    killed.child.kill()?;
    killed.child.wait()?;
    wait_ok(SOON, "the next capture", || {
        weir.cli_ok(&bed, &format!("capture --duration 1ms -w {}", file.display()))
    })?;
    // When weir ends, the file ends.
    let last = Capture::start(&weir, &bed, "", &file)?;
    weir.assert_ledger()?;
    weir.stop()?;
    last.wait()?;
    tshark(&file, dir.path()).map(drop)
}

#[test]
fn a_capture_that_is_too_small_says_what_it_missed_and_costs_no_frame() -> Result<()> {
    root_or_skip!();
    let dir = folder()?;
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    ping_all(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let file = dir.path().join("small");
    let words = "v1 --dir in --proto udp --buffer 4KiB";
    let capture = Capture::start(&weir, &bed, words, &file)?;
    let before = weir.assert_ledger()?;
    // Two frames fit, but not a whole burst, however fast the capture is read.
    let sent = 600;
    for _ in 0..3 {
        send(one, &udp(one, two, 1400), 200)?;
    }
    let after = weir.assert_ledger()?;
    ensure!(after.ledger.lost == before.ledger.lost, "frames were lost: {after:#?}");
    let said = capture.stop()?;
    let numbers: Vec<usize> =
        said.replace(',', "").split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [packets, _, missed] = numbers[..] else { bail!("{said}") };
    ensure!(packets > 0 && missed > 0 && packets + missed == sent, "{sent}: {said}");
    let rows = tshark(&file, dir.path())?;
    ensure!(rows.len() == packets, "{} of {packets}", rows.len());
    weir.stop()
}

/// The lines of `weir trace --json` while `send` sends.
fn trace(
    weir: &Weir,
    bed: &Bed,
    words: &str,
    send: impl Fn() -> Result<()>,
) -> Result<Vec<TraceLine>> {
    let mut child = weir.cli_with(bed, &format!("trace --json {words}"), Stdio::piped)?;
    // Nothing announces the start of the trace: send until it has enough.
    let ended = wait_ok(SOON, "the trace to end", || {
        send()?;
        child.try_wait()?.context("it runs")
    });
    if ended.is_err() {
        child.kill()?;
    }
    let output = child.wait_with_output()?;
    ensure!(ended?.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn packet(line: &TraceLine) -> Result<&TracedPacket> {
    match line {
        TraceLine::Packet(packet) => Ok(packet),
        TraceLine::End(end) => bail!("no packet: {end:?}"),
    }
}

#[test]
fn a_trace_tells_a_packets_way_to_its_end() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let lock = format!("mac-lock = [\"{}\"]", two.mac_text());
    let weir = Weir::start(&bed, &WeirSpec::default().port("v2", &lock))?;
    gate::acquaint(&weir, &bed)?;
    let filter = format!("v1 --proto udp --host {}", two.addr(Family::V4));
    let lines =
        trace(&weir, &bed, &format!("{filter} --count 2"), || send(one, &udp(one, two, 300), 1))?;
    let [first, second, end] = &lines[..] else { bail!("{lines:#?}") };
    for line in [first, second] {
        let packet = packet(line)?;
        let steps: Vec<&TraceEvent> = packet.steps.iter().map(|step| &step.what).collect();
        let [
            TraceEvent::Steered,
            TraceEvent::Taken { waited_ns, .. },
            TraceEvent::Decided { to },
            TraceEvent::Released { container_ns, .. },
            TraceEvent::Sent { queue_ns, .. },
            TraceEvent::Delivered { tx_ns, residence_ns, .. },
        ] = steps[..]
        else {
            bail!("{packet:#?}");
        };
        ensure!(packet.outcome == TraceOutcome::Delivered && packet.port == "v1", "{packet:#?}");
        ensure!(to == "v2", "{packet:#?}");
        // The stages add up to the residence.
        let sum = waited_ns + container_ns + queue_ns + tx_ns;
        ensure!(sum == *residence_ns && sum == packet.steps[5].at_ns, "{packet:#?}");
    }
    ensure!(matches!(end, TraceLine::End(end) if end.missed == 0), "{end:#?}");

    // None of these frames is under way any more.
    weir.assert_ledger()?;
    bed.host.ip("link set dev v1 mtu 3000")?;
    one.ns.ip(&format!("link set dev {GUEST_IF} mtu 3000"))?;
    let long = udp(one, two, 2000);
    let lines = trace(&weir, &bed, &filter, || send(one, &long, 1))?;
    let lost = packet(&lines[0])?;
    let steps: Vec<&TraceEvent> = lost.steps.iter().map(|step| &step.what).collect();
    let [
        TraceEvent::Steered,
        TraceEvent::Taken { .. },
        TraceEvent::Decided { .. },
        TraceEvent::Lost { reason, .. },
    ] = steps[..]
    else {
        bail!("{lost:#?}");
    };
    ensure!(lost.outcome == TraceOutcome::Lost && reason == "mtu_exceeded", "{lost:#?}");

    // And one frame that the program drops.
    let mut spoofed = udp(two, one, 100);
    spoofed[6..12].copy_from_slice(&[2, 0, 0, 0, 9, 9]);
    let lines = trace(&weir, &bed, "v2 --proto udp", || send(two, &spoofed, 1))?;
    let [step] = &packet(&lines[0])?.steps[..] else { bail!("{lines:#?}") };
    let spoofed = matches!(&step.what, TraceEvent::Lost { reason, .. } if reason == "spoofed");
    ensure!(spoofed, "{lines:#?}");
    weir.assert_ledger()?;
    weir.stop()
}
