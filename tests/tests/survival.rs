//! The gates outlive weir: killed, started again, started with other ports, detached without it. Frames
//! on open links are neither lost nor late, and nothing is left in the end.

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Output;
use system_tests::drive::{Flow, everybody_talks, ping_all};
use system_tests::gate::{MARK, SOON, goes_on_by_gate, marked, send, wait_express};
use system_tests::observer::Observer;
use system_tests::wait::wait_ok;
use system_tests::weir::run_to_end;
use system_tests::{Bed, BedSpec, Weir, WeirSpec, kept, ledger, root_or_skip};

fn spec() -> WeirSpec {
    WeirSpec::bridge().lane("auto")
}

fn start(bed: &Bed, dir: &Path) -> Result<Weir> {
    let weir = Weir::start_in(bed, &spec(), dir)?;
    bed.ports().iter().try_for_each(|port| weir.wait_port(port, &["up"]))?;
    Ok(weir)
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
    // A source may have some 1000 frames at its worker, where all are held until weir has begun.
    const RATE: u64 = 5_000;
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let mut weir = start(&bed, dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    let links = kept::ids(&bed.host)?;
    ensure!(links.len() == bed.ports().len(), "{links:?}");
    let flow = Flow::start_apart(one, two, RATE)?;
    for life in 0..4 {
        flow.comes(RATE / 10)?;
        weir.kill9()?;
        flow.comes(RATE / 5)?;
        ensure!(kept::ids(&bed.host)? == links, "life {life}: the links went with weir");
        weir = start(&bed, dir.path())?;
        ensure!(
            kept::ids(&bed.host)? == links,
            "life {life}: {links:?} before, {:?} after",
            kept::ids(&bed.host)?
        );
        weir.wait_said("adopted the gate")?;
        goes_on_by_gate(&weir, one, RATE / 10)?;
    }
    flow.all_came(two)?;
    let stats = weir.assert_ledger()?;
    ensure!(stats.ledger.lost == 0, "{stats:#?}");
    everybody_talks(&bed)?;
    weir.assert_ledger()?;
    weir.stop()?;
    for port in bed.ports() {
        ensure!(!bed.host.is_attached(&port)?, "something is left on {port}");
    }
    ensure!(!kept::is_any(&bed.host), "links are left");
    ping_all(&bed)
}

/// Stopped and started: the bridge has the ports in between.
#[test]
fn stopped_and_started_again_without_a_frame_lost_or_late() -> Result<()> {
    root_or_skip!();
    const RATE: u64 = 5_000;
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let mut weir = start(&bed, dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    let flow = Flow::start_apart(one, two, RATE)?;
    for _ in 0..3 {
        flow.comes(RATE / 10)?;
        let last = weir.end_and_listen(Signal::SIGTERM)?;
        ensure!(last.contains("+ lost 0 + in flight 0"), "{last}");
        ensure!(!kept::is_any(&bed.host), "links are left");
        flow.comes(RATE / 10)?;
        weir = start(&bed, dir.path())?;
        goes_on_by_gate(&weir, one, RATE / 10)?;
    }
    flow.all_came(two)?;
    weir.assert_ledger()?;
    weir.stop()
}

/// Without a running weir: a killed weir's leftovers are removed, and only those; the bridge takes
/// over.
#[test]
fn detach_gives_the_ports_of_a_killed_weir_back() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let nothing = |output: &Output| output.status.success() && said(output).contains("no weir");
    ensure!(nothing(&detach(&bed, dir.path(), &[])?), "before there was any");
    let weir = start(&bed, dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    let links = kept::ids(&bed.host)?;

    let refused = detach(&bed, dir.path(), &[])?;
    ensure!(refused.status.code() == Some(1), "{refused:?}");
    let text = said(&refused);
    ensure!(text.contains("a weir runs here and serves") && text.contains("v1"), "{text}");
    ensure!(kept::ids(&bed.host)? == links, "it has touched a weir that runs");
    let doctor = weir.cli_ok(&bed, "doctor v1")?;
    ensure!(!doctor.contains("has left its gates"), "{doctor}");
    weir.assert_ledger()?;

    let flow = Flow::start_apart(one, two, 2_000)?;
    weir.kill9()?;
    flow.comes(200)?;
    let socket = dir.path().join("weir.sock");
    let control = socket.to_str().context("the path is not UTF-8")?;
    let doctor = said(&run_to_end(&bed, &["doctor", "v1", "--control", control])?);
    ensure!(doctor.contains("has left its gates on") && doctor.contains("weir detach"), "{doctor}");
    ensure!(!doctor.contains("the gate does not know"), "{doctor}");
    let done = detach(&bed, dir.path(), &[])?;
    ensure!(done.status.success(), "{done:?}");
    let text = said(&done);
    for port in bed.ports() {
        ensure!(text.contains(&format!("{port}: its gate is taken off\n")), "{text}");
        ensure!(!bed.host.is_attached(&port)?, "something is left on {port}");
    }
    ensure!(text.contains("w0-") && !bed.host.ip("-br link")?.contains("w0-"), "{text}");
    ensure!(!kept::is_any(&bed.host), "links are left");
    flow.comes(200)?;
    flow.all_came(two)?;
    ping_all(&bed)?;
    ensure!(nothing(&detach(&bed, dir.path(), &[])?), "a second time");
    // And a new weir may start.
    let weir = start(&bed, dir.path())?;
    wait_express(&weir, one, two)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn with_force_the_gates_of_a_weir_that_runs_are_taken_off() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = start(&bed, dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    weir.while_stopped(|| {
        let done = detach(&bed, dir.path(), &["--force"])?;
        ensure!(done.status.success(), "{done:?}");
        for port in bed.ports() {
            ensure!(!bed.host.is_attached(&port)?, "something is left on {port}");
        }
        ping_all(&bed)
    })?;
    // It does not hang any more.
    weir.wait_said("its gate program is attached again")?;
    wait_ok(SOON, "all of them", || {
        bed.ports().iter().try_for_each(|port| {
            ensure!(bed.host.is_attached(port)?, "{port}");
            Ok(())
        })
    })?;
    wait_express(&weir, one, two)?;
    ensure!(kept::ids(&bed.host)?.len() == bed.ports().len(), "{:?}", kept::ids(&bed.host)?);
    weir.assert_ledger()?;
    weir.stop()?;
    ensure!(!kept::is_any(&bed.host), "links are left");
    Ok(())
}

/// The next life has other ports; a port that it does not serve is the bridge's.
#[test]
fn a_port_that_is_not_in_the_next_plan_is_given_back() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = start(&bed, dir.path())?;
    wait_express(&weir, bed.guest(0)?, bed.guest(1)?)?;
    let (links, third) = (kept::ids(&bed.host)?, bed.host.ifindex("v3")?);
    ensure!(links.contains_key(&third), "{links:?}");
    weir.kill9()?;
    bed.host.ip("link set dev v3 nomaster")?;
    let weir = Weir::start_in(&bed, &spec(), dir.path())?;
    weir.wait_port("v1", &["up"])?;
    weir.wait_said("took off the gate that an earlier weir left on no port of this")?;
    ensure!(!bed.host.is_attached("v3")?, "its gate is still there");
    let mut others = links;
    others.remove(&third);
    ensure!(
        kept::ids(&bed.host)? == others,
        "{others:?} before, {:?} after",
        kept::ids(&bed.host)?
    );
    bed.host.ip(&format!("link set dev v3 master {}", system_tests::bed::BRIDGE))?;
    weir.wait_port("v3", &["up"])?;
    wait_express(&weir, bed.guest(0)?, bed.guest(2)?)?;
    weir.assert_ledger()?;
    weir.stop()
}

/// While no weir runs, and when the next one starts.
#[test]
fn locks_hold_while_weir_is_away() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let lock = format!("mac-lock = [\"{}\"]", one.mac_text());
    let spec = WeirSpec::default().lane("auto").port("v1", &lock);
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &spec, dir.path())?;
    wait_express(&weir, one, two)?;
    let (own, foreign) =
        (marked(one.mac(), two.mac(), &[]), marked([2, 0, 0, 9, 9, 9], two.mac(), &[]));
    let passes = |frame: &[u8], count: u64| -> Result<()> {
        let seen = Observer::matching(two, 12, MARK)?;
        send(one, frame, 10)?;
        // Later frames arrive: so none of the earlier ones is under way any more.
        send(one, &own, 10)?;
        seen.wait_exactly(count + 10, "frames behind the lock")
    };
    passes(&own, 10)?;
    passes(&foreign, 0)?;
    weir.kill9()?;
    passes(&own, 10)?;
    passes(&foreign, 0)?;
    let weir = Weir::start_in(&bed, &spec, dir.path())?;
    passes(&foreign, 0)?;
    let stats = weir.assert_ledger()?;
    ensure!(ledger::lost_under(&stats, "spoofed") == 10, "{stats:#?}");
    weir.stop()
}

/// The network namespace of a killed weir goes with its devices; the next weir, in another, cleans up.
#[test]
fn links_of_a_namespace_that_is_no_more_are_removed_by_the_next_weir() -> Result<()> {
    root_or_skip!();
    let dir = tempfile::tempdir()?;
    let bed = BedSpec::vms(1).bridge().build()?;
    let weir = start(&bed, dir.path())?;
    let links = kept::ids(&bed.host)?;
    weir.kill9()?;
    let gone = kept::folders(&bed.host.path());
    // Removed by hand, since dropping the bed would remove the links.
    for port in bed.ports() {
        bed.host.ip(&format!("link del {port}"))?;
    }
    ensure!(kept::ids(&bed.host)?.keys().eq(links.keys()), "{:?}", kept::ids(&bed.host)?);
    let (other, dir) = (BedSpec::vms(1).bridge().build()?, tempfile::tempdir()?);
    let weir = start(&other, dir.path())?;
    ensure!(gone.iter().all(|folder| !folder.exists()), "{gone:?}");
    weir.assert_ledger()?;
    weir.stop()
}
