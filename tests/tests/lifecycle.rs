//! Starting, refusing, stopping, dying: weir's leftovers and messages.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Output;
use std::time::Duration;
use system_tests::bed::{Family, UPLINK_PORT};
use system_tests::drive::{ping_all, reachable};
use system_tests::traffic::ping;
use system_tests::weir::{binary, run_to_end};
use system_tests::{Bed, BedSpec, Weir, WeirSpec, ns, root_or_skip};
use weir_rig::{Action, Hook, Program};

/// Everything about the host that weir might touch, as text to compare: all interfaces except weir's
/// own pair, which stays for the next weir.
fn settings(bed: &Bed) -> Result<String> {
    bed.wait_up()?;
    let links = bed.host.ip("-o link show")?;
    let names = links.lines().filter_map(|line| line.split([':', '@']).nth(1));
    let mut text = String::new();
    for name in names.map(str::trim).filter(|name| !name.starts_with("w0-")) {
        text += &without_timers(&bed.host.ip(&format!("-d link show dev {name}"))?);
        text += &ns::output(bed.host.cmd("tc").args(["qdisc", "show", "dev", name]))?;
        text += &bed.host.ethtool(&format!("-k {name}"))?;
    }
    Ok(text)
}

/// The same with the bridge that weir makes for ports that are in none, and leaves behind.
fn settings_with_own_bridge(bed: &Bed) -> Result<String> {
    Weir::start(bed, &WeirSpec::default())?.stop()?;
    settings(bed)
}

/// A bridge's timers run by themselves: removes each word that names one, with its value.
fn without_timers(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            if word.ends_with("_timer") {
                words.next();
            } else {
                kept.push_str(word);
                kept.push(' ');
            }
        }
        kept.push('\n');
    }
    kept
}

/// Asserts that nothing differs, and shows only the differences.
fn unchanged(before: &str, after: &str) -> Result<()> {
    let only = |sign: &str, left: &str, right: &str| -> String {
        let lines = left.lines().filter(|line| !right.lines().any(|other| other == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    let text = only("-", before, after) + &only("+", after, before);
    ensure!(before == after, "weir left changed settings behind:\n{text}");
    Ok(())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs with a configuration that must be refused; returns the message.
fn refused(bed: &Bed, config: &str, code: i32) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("weir.toml");
    let socket = dir.path().join("weir.sock");
    std::fs::write(&file, config.replace("SOCKET", &socket.display().to_string()))?;
    let output = run_to_end(bed, &["run", "--config", file.to_str().context("path")?])?;
    let said = said(&output);
    ensure!(
        output.status.code() == Some(code),
        "{config}\nended with {}, not {code}:\n{said}",
        output.status
    );
    Ok(said)
}

/// Asserts that after a whole life the host is as it was `before`.
fn leaves(before: &str, bed: &Bed, spec: &WeirSpec, signal: Signal) -> Result<()> {
    let weir = Weir::start(bed, spec)?;
    for port in bed.ports() {
        ensure!(bed.host.is_attached(&port)?, "no program is attached to {port}");
    }
    ping_all(bed)?;
    weir.assert_ledger()?;
    let socket = weir.socket().to_path_buf();
    let mode = std::fs::metadata(&socket)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "the socket's mode is {mode:o}");
    weir.stop_with(signal)?;
    ensure!(!socket.exists(), "the socket is left");
    for port in bed.ports() {
        ensure!(!bed.host.is_attached(&port)?, "a program is still attached to {port}");
    }
    unchanged(before, &settings(bed)?)
}

#[test]
fn sigterm_leaves_nothing_behind() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    leaves(&settings_with_own_bridge(&bed)?, &bed, &WeirSpec::default(), Signal::SIGTERM)
}

#[test]
fn sigint_leaves_nothing_behind() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    leaves(&settings_with_own_bridge(&bed)?, &bed, &WeirSpec::default(), Signal::SIGINT)
}

#[test]
fn a_bridge_is_handed_back_as_it_was() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    leaves(&settings(&bed)?, &bed, &WeirSpec::bridge(), Signal::SIGTERM)?;
    ping_all(&bed)
}

#[test]
fn stops_under_load() -> Result<()> {
    root_or_skip!();
    use system_tests::traffic::{Rate, Source};
    let bed = BedSpec::vms(2).build()?;
    let before = settings_with_own_bridge(&bed)?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    let to = bed.uplink.socket(Family::V4, 9000);
    let _load = Source { rate: Rate::Max, ..Source::to(to) }.start(&bed.guest(0)?.ns)?;
    std::thread::sleep(Duration::from_millis(300));
    weir.stop()?;
    unchanged(&before, &settings(&bed)?)
}

#[test]
fn a_second_weir_on_the_socket_is_refused() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &WeirSpec::default(), dir.path())?;
    let config = dir.path().join("weir.toml");
    let output = run_to_end(&bed, &["run", "--config", config.to_str().context("path")?])?;
    ensure!(!output.status.success() && said(&output).contains("weir.sock"), "{}", said(&output));
    // The first weir is not affected.
    ping_all(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_stale_socket_is_replaced() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let dir = tempfile::tempdir()?;
    // A dropped listener leaves its file, as a killed process does.
    drop(UnixListener::bind(dir.path().join("weir.sock"))?);
    let weir = Weir::start_in(&bed, &WeirSpec::default(), dir.path())?;
    ping_all(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn bad_configurations_name_file_and_line() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let head = "[forwarder]\ncontrol = \"SOCKET\"\n";
    let nic = "[[port]]\nname = \"nic0\"\nrole = \"uplink\"\n";
    let v1 = "[[port]]\nname = \"v1\"\nrole = \"vif\"\n";
    // (what, configuration, line at fault, word in the message)
    let cases = [
        ("unknown key", format!("{head}colour = 3\n{nic}{v1}"), Some(3), "colour"),
        ("wrong unit", format!("{head}{nic}rate = \"200Mbyte\"\n{v1}"), Some(6), "200Mbyte"),
        ("duplicate port", format!("{head}{nic}{v1}{v1}"), Some(10), "v1"),
        ("missing interface", format!("{head}{nic}{}", v1.replace("v1", "v77")), Some(7), "v77"),
        ("weight 0", format!("{head}{nic}{v1}weight = 0\n"), Some(9), "weight"),
        ("no uplink", format!("{head}{v1}"), None, "uplink"),
        ("wrong role", format!("{head}{nic}{}", v1.replace("vif", "vip")), Some(8), "vip"),
    ];
    for (what, config, line, word) in cases {
        let said = refused(&bed, &config, 2)?;
        let place = line.map_or("weir.toml".to_owned(), |line| format!("weir.toml:{line}"));
        ensure!(
            said.contains(&place) && said.contains(word),
            "{what}: no `{place}` or `{word}`:\n{said}"
        );
    }
    Ok(())
}

#[test]
fn the_default_route_is_refused_without_force() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    bed.host.ip(&format!("route add default dev {UPLINK_PORT}"))?;
    let dir = tempfile::tempdir()?;
    let (file, socket) = (dir.path().join("weir.toml"), dir.path().join("weir.sock"));
    std::fs::write(&file, WeirSpec::default().config(&bed, &socket))?;
    let file = file.to_str().context("path")?;
    let output = run_to_end(&bed, &["run", "--config", file])?;
    let said = said(&output);
    ensure!(!output.status.success(), "it took the default route's interface");
    ensure!(said.contains("--force") && said.contains(UPLINK_PORT), "{said}");
    let args = ["--config", file, "--force"].map(str::to_owned);
    let weir = Weir::spawn(&bed, &args, socket)?;
    weir.wait_port(UPLINK_PORT, &["up"])?;
    ping_all(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn the_hosts_own_address_is_moved_to_the_bridge_as_weir_says() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let address = "10.0.0.254/24";
    bed.host.ip(&format!("address add {address} dev {UPLINK_PORT}"))?;
    let dir = tempfile::tempdir()?;
    let (file, socket) = (dir.path().join("weir.toml"), dir.path().join("weir.sock"));
    std::fs::write(&file, WeirSpec::default().config(&bed, &socket))?;
    let output = run_to_end(&bed, &["run", "--config", file.to_str().context("path")?])?;
    let said = said(&output);
    let before = format!("address del {address} dev {UPLINK_PORT}");
    let after = format!("address add {address} dev weir0");
    for command in [&before, &after] {
        let short = command.replacen("address", "ip addr", 1);
        ensure!(!output.status.success() && said.contains(&short), "no `{short}`: {said}");
    }
    ensure!(!bed.host.is_attached("v1")?, "something was done all the same");
    bed.host.ip(&before)?;
    let weir = Weir::start_in(&bed, &WeirSpec::default(), dir.path())?;
    bed.host.ip(&after)?;
    // The host is found and answers, from the uplink's side and from a guest's.
    for from in [&bed.uplink, bed.guest(0)?] {
        ping(&from.ns, "10.0.0.254".parse()?, 3)?;
    }
    ping_all(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn another_program_is_named_by_its_id() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let mut program = Program::count(Action::Pass)?;
    let ifindex = bed.host.ifindex("v1")?;
    let attached = bed.host.run(|| Ok(program.attach(ifindex, Hook::Native)?))?;
    let id = bed.host.link("v1")?["xdp"]["prog"]["id"].as_u64().context("no id")?;
    let config = WeirSpec { mode: "native", ..WeirSpec::default() }.config(&bed, "SOCKET".as_ref());
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("weir.toml");
    std::fs::write(&file, config.replace("SOCKET", &dir.path().join("s").display().to_string()))?;
    let output = run_to_end(&bed, &["run", "--config", file.to_str().context("path")?])?;
    let said = said(&output);
    ensure!(!output.status.success(), "it displaced another program");
    ensure!(said.contains(&id.to_string()) && said.contains("v1"), "no id {id}:\n{said}");
    drop(attached);
    Ok(())
}

#[test]
fn a_missing_capability_is_named() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("weir.toml");
    std::fs::write(&file, WeirSpec::default().config(&bed, &dir.path().join("s")))?;
    let output = bed
        .host
        .cmd("setpriv")
        .args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"])
        .arg(binary()?)
        .args(["run", "--config"])
        .arg(&file)
        .output()?;
    ensure!(!output.status.success(), "it ran without CAP_NET_ADMIN");
    ensure!(said(&output).contains("CAP_NET_ADMIN"), "{}", said(&output));
    Ok(())
}

#[test]
fn a_killed_weir_leaves_a_working_bridge_and_a_restart_takes_over() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let before = settings(&bed)?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    ping_all(&bed)?;
    weir.kill9()?;
    reachable(bed.guest(0)?, &bed.uplink, Duration::from_secs(2))?;
    ping_all(&bed)?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    ping_all(&bed)?;
    let stats = weir.assert_ledger()?;
    ensure!(stats.ledger.delivered > 0, "the bridge forwarded, not weir:\n{stats:#?}");
    weir.stop()?;
    unchanged(&before, &settings(&bed)?)
}

/// The next datagram that begins with `what`; others are skipped.
fn hear(socket: &UnixDatagram, what: &str) -> Result<String> {
    let mut bytes = [0; 256];
    loop {
        let len = socket.recv(&mut bytes).with_context(|| format!("no `{what}` was heard"))?;
        let heard = String::from_utf8_lossy(bytes.get(..len).unwrap_or_default());
        if heard.starts_with(what) {
            return Ok(heard.into_owned());
        }
    }
}

#[test]
fn a_service_manager_hears_of_its_life() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let environment = vec![
        ("NOTIFY_SOCKET", path.display().to_string()),
        ("WATCHDOG_USEC", "1000000".to_owned()),
    ];
    let spec = WeirSpec { environment, ..WeirSpec::default() };
    let weir = Weir::start_in(&bed, &spec, dir.path())?;
    let forwarding = "STATUS=forwarding between 2 vifs and 1 uplinks";
    ensure!(hear(&socket, "READY=1")? == format!("READY=1\n{forwarding}"));
    for port in bed.ports() {
        ensure!(weir.port_state(&port)? == "up", "{port} is not in service yet");
    }
    (0..3).try_for_each(|_| hear(&socket, "WATCHDOG=1").map(drop))?;
    weir.reload()?;
    let reloading = hear(&socket, "RELOADING=1\nMONOTONIC_USEC=")?;
    let time =
        reloading.lines().nth(1).and_then(|line| line.split_once('=')?.1.parse::<u64>().ok());
    ensure!(time.is_some_and(|time| time > 0), "{reloading}");
    hear(&socket, "READY=1")?;
    ping_all(&bed)?;
    weir.assert_ledger()?;
    let said = weir.end_and_listen(Signal::SIGTERM)?;
    hear(&socket, "STOPPING=1")?;
    ensure!(said.contains("stopped: received"), "{said}");
    Ok(())
}

#[test]
fn a_worker_has_the_frames_that_the_file_names() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default().section("forwarder", "frames = 8192"))?;
    ping_all(&bed)?;
    let stats = weir.assert_ledger()?;
    let total = stats.frames.total;
    ensure!(total == 8192, "{total} frames: {:?}", stats.frames);
    Ok(())
}
