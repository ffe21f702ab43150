//! `weir top` as an operator uses it: in a terminal, with keys, in windows of changing size, and with a
//! clean terminal at its end.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Command;
use std::time::Duration;
use system_tests::bed::{Bed, Family};
use system_tests::drive::reachable;

use system_tests::traffic::{Rate, Sending, Sink, Source};
use system_tests::weir::binary;
use system_tests::{BedSpec, Weir, WeirSpec, gate, ns, root_or_skip, wait_for};

const SOON: Duration = Duration::from_secs(20);
/// The shell's prompt.
const PROMPT: &str = "ready>";

/// A terminal of its own, on a tmux server of its own; both end with the handle.
struct Tmux {
    // Holds the server's socket.
    dir: tempfile::TempDir,
}

impl Tmux {
    /// A shell in the bed's host, in a window of 80 by 24.
    fn start(bed: &Bed) -> Result<Self> {
        let tmux = Self { dir: tempfile::Builder::new().prefix("weir-top-").tempdir()? };
        let shell = format!("ip netns exec {} env PS1='{PROMPT} ' sh", bed.host.name());
        tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &shell])?;
        tmux.wait("the shell", |screen| screen.contains(PROMPT))?;
        Ok(tmux)
    }

    fn run(&self, args: &[&str]) -> Result<String> {
        let mut tmux = Command::new("tmux");
        // Without TMUX, or a server that is started from within another would be taken for its window.
        tmux.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        ns::output(tmux.arg("-S").arg(self.dir.path().join("tmux")).args(args))
    }

    fn screen(&self) -> Result<String> {
        self.run(&["capture-pane", "-p"])
    }

    /// Waits until the window's text satisfies `is`, and returns it.
    fn wait(&self, what: &str, is: impl Fn(&str) -> bool) -> Result<String> {
        let mut last = String::new();
        let waited = wait_for(SOON, what, || {
            last = self.screen().unwrap_or_else(|error| format!("{error:#}"));
            is(&last)
        });
        waited.with_context(|| format!("the window shows:\n{last}"))?;
        Ok(last)
    }

    fn keys(&self, keys: &[&str]) -> Result<()> {
        self.run(&[&["send-keys"], keys].concat()).map(drop)
    }

    fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.run(&["resize-window", "-x", &columns, "-y", &rows]).map(drop)
    }

    /// Starts `weir top`, and waits for its first picture with a row in it.
    fn top(&self, weir: &Weir, options: &str) -> Result<String> {
        let command =
            format!("{} top --control {} {options}", binary()?.display(), weir.socket().display());
        self.run(&["send-keys", "-l", &command])?;
        self.keys(&["Enter"])?;
        self.wait("the ports", |screen| screen.contains("[1 vifs]") && row(screen, "v1").is_some())
    }

    /// The shell's only child.
    fn top_pid(&self) -> Result<Pid> {
        let shell = self.run(&["display-message", "-p", "#{pane_pid}"])?;
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"))?;
        let pid = children.trim();
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .with_context(|| format!("the shell's children: {pid}"))?;
        ensure!(name.trim() == "weir", "the shell runs {name}");
        Ok(Pid::from_raw(pid.parse()?))
    }

    /// Asserts that the shell is back, with a cursor, and without remains of the picture.
    fn assert_clean(&self) -> Result<()> {
        let screen = self.wait("the shell to be back", |screen| {
            screen.trim_end().ends_with(PROMPT) && !screen.contains("[1 vifs]")
        })?;
        let flags = self.run(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"])?;
        ensure!(flags.trim() == "0 1", "alternate screen and cursor: {flags}\n{screen}");
        // A terminal that was left raw would not echo, nor begin a new line.
        self.run(&["send-keys", "-l", "echo so $((1 + 1))"])?;
        self.keys(&["Enter"])?;
        self.wait("the shell to answer", |screen| {
            screen.contains("echo so $((1 + 1))\n") && screen.contains("\nso 2\n")
        })?;
        self.keys(&["-R", "Enter"])?;
        self.wait("a cleared window", |screen| screen.trim() == PROMPT).map(drop)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.run(&["kill-server"]);
    }
}

/// The words of a table's row.
fn row<'s>(screen: &'s str, name: &str) -> Option<Vec<&'s str>> {
    let words = screen.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.into_iter().find(|words| words.first() == Some(&name))
}

/// A number with a prefix that is not 0.
fn moves(cell: Option<&&str>) -> bool {
    cell.is_some_and(|cell| cell.starts_with(|c: char| c.is_ascii_digit()) && *cell != "0")
}

/// A bed with weir, and a steady flow from v1 to the uplink.
fn stage() -> Result<(Bed, Weir, Sink, Sending)> {
    let bed = BedSpec::vms(2).build()?;
    bed.learn_neighbours()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    // The bridge does not know a station that never sends.
    reachable(&bed.uplink, bed.guest(0)?, gate::SOON)?;
    let sink = Sink::start(&bed.uplink.ns, bed.uplink.socket(Family::V4, 0))?;
    let source = Source { rate: Rate::pps(2000), size: 400, ..Source::to(sink.addr()) };
    let sending = source.start(&bed.guest(0)?.ns)?;
    Ok((bed, weir, sink, sending))
}

#[test]
fn what_moves_is_shown_sorted_and_fits_every_window() -> Result<()> {
    root_or_skip!();
    let (bed, weir, sink, sending) = stage()?;
    let tmux = Tmux::start(&bed)?;
    tmux.top(&weir, "--interval 200ms")?;
    let screen = tmux.wait("v1's rate", |screen| {
        // NAME STATE RX TX ...
        row(screen, "v1").is_some_and(|words| moves(words.get(2)))
            && row(screen, "nic0").is_some_and(|words| moves(words.get(3)))
    })?;
    ensure!(screen.starts_with("weir, up 00:0"), "{screen}");
    ensure!(screen.contains("worker busy") && screen.contains("ledger balanced"), "{screen}");
    ensure!(screen.contains("NAME^") && screen.lines().count() == 24, "{screen}");
    tmux.keys(&["s"])?;
    tmux.wait("the next column's mark", |s| s.contains("RXv") && !s.contains("NAME^"))?;
    tmux.keys(&["r"])?;
    tmux.wait("the other way round", |s| s.contains("RX^"))?;
    tmux.keys(&["Left"])?;
    tmux.wait("the column before", |s| s.contains("NAME^"))?;
    tmux.keys(&["/", "v", "1", "Enter"])?;
    tmux.wait("only v1", |s| row(s, "v1").is_some() && row(s, "nic0").is_none())?;
    tmux.keys(&["/", "Escape"])?;
    tmux.wait("all of them", |s| row(s, "nic0").is_some() && !s.contains("only \""))?;
    for (columns, rows) in [(100, 30), (60, 15), (80, 24)] {
        tmux.resize(columns, rows)?;
        let screen = tmux.wait("the window to be filled", |screen| {
            let last = screen.trim_end().lines().count() == usize::from(rows);
            last && screen.lines().last().is_some_and(|line| line.starts_with("q quit"))
                && row(screen, "nic0").is_some()
        })?;
        // One whole picture, without remains of another.
        for once in ["weir, up ", "[1 vifs]", "NAME^", "q quit"] {
            ensure!(screen.matches(once).count() == 1, "{once} in {columns} x {rows}:\n{screen}");
        }
        ensure!(row(&screen, "v2").is_some(), "{screen}");
    }
    tmux.keys(&["?"])?;
    tmux.wait("the help", |s| s.contains("sort by the next column"))?;
    tmux.keys(&["?", "q"])?;
    tmux.assert_clean()?;
    sending.stop()?;
    drop(sink);
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn flows_are_shown_with_their_rates_and_times() -> Result<()> {
    root_or_skip!();
    let (bed, weir, sink, sending) = stage()?;
    let tmux = Tmux::start(&bed)?;
    tmux.top(&weir, "--interval 200ms")?;
    let to = sink.addr().to_string();
    tmux.keys(&["Tab"])?;
    tmux.wait("the flow", |screen| {
        // VIF PROTO SOURCE DESTINATION BIT/S ...
        let words = row(screen, "v1").filter(|words| words.get(3) == Some(&to.as_str()));
        screen.contains("[2 flows]") && words.is_some_and(|words| moves(words.get(4)))
    })?;
    tmux.keys(&["1"])?;
    tmux.wait("the residence times", |screen| {
        let title = screen.lines().find(|line| line.starts_with("NAME^"));
        let column = title.and_then(|title| title.find("P99")).map(|at| at + 3);
        let line = screen.lines().find(|line| line.starts_with("v1 "));
        let cell = line.zip(column).and_then(|(line, end)| line.get(..end)?.split(' ').next_back());
        cell.is_some_and(|cell| cell.ends_with('s'))
    })?;
    tmux.keys(&["3"])?;
    tmux.wait("the losses", |screen| screen.contains("[3 losses]"))?;
    // A rate that this test never reaches: the gate hands the frames over.
    weir.patch(&serde_json::json!({ "ports": { "nic0": { "rate": "10Gbit" } } }))?;
    tmux.keys(&["4"])?;
    tmux.wait("the link", |screen| {
        // LINK LANE RATE ...
        let words = row(screen, "nic0").filter(|words| words.get(2) == Some(&"10.0G"));
        screen.contains("[4 links]") && words.is_some()
    })?;
    tmux.keys(&["C-c"])?;
    tmux.assert_clean()?;
    sending.stop()?;
    drop(sink);
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_weir_that_goes_and_comes_is_followed_and_sigterm_leaves_the_terminal_clean() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &WeirSpec::default(), dir.path())?;
    let tmux = Tmux::start(&bed)?;
    tmux.top(&weir, "--interval 200ms")?;
    weir.stop()?;
    tmux.wait("weir to be missed", |s| s.starts_with("weir is gone, waiting..."))?;
    let weir = Weir::start_in(&bed, &WeirSpec::default(), dir.path())?;
    tmux.wait("weir to be back", |s| s.starts_with("weir, up ") && row(s, "v1").is_some())?;
    kill(tmux.top_pid()?, Signal::SIGTERM)?;
    tmux.assert_clean()?;
    tmux.top(&weir, "--sort lost")?;
    kill(tmux.top_pid()?, Signal::SIGINT)?;
    tmux.assert_clean()?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn without_a_terminal_it_says_what_to_take_instead() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    for (words, why) in [
        ("top", "weir stats --watch"),
        ("top --sort nothing", "valid: name, rx, tx, "),
        ("top --view flows --sort rx", "valid: vif, proto, "),
    ] {
        let output = weir.cli(&bed, words)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(2) || !said.contains(why) {
            bail!("weir {words}: {} {said}", output.status);
        }
        ensure!(output.stdout.is_empty(), "weir {words} drew on a pipe");
    }
    weir.assert_ledger()?;
    weir.stop()
}
