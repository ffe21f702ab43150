//! The command line. Invariant: a command line that clap accepts is well-formed; `plan` reports whether
//! it makes sense on this machine, in the words of the configuration's errors.

mod capture;
mod change;
pub mod dump;
pub mod probe;
mod top;

use std::{collections::HashSet, ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use weir_core::{Choice, Idle, Lane, Mode, Span};
use weir_schema::{
    ConfigErrors, DEFAULT_CONTROL, Declaration, ForwarderPlan, Host, Plan, PortPlan, Section,
    check_control, is_interface_name,
};

pub use self::capture::{CaptureArgs, TraceArgs};
use self::change::CONFIG_EXAMPLES;
pub use self::change::{PortAddArgs, PortDelArgs, PortOptions, PortSetArgs, SetArgs};
use self::dump::What;
use self::probe::ProbeCommand;
pub use self::top::{LONGEST, SHORTEST, TopArgs, View};

/// Forwards frames between virtual machines and the network, in fair shares
///
/// weir takes the frames of VM-facing interfaces (veth, tap) and of a NIC off the kernel's path,
/// switches them in user space, and accounts for every one: where it went, or by what name it was
/// lost. When it stops, or dies, a bridge underneath carries on.
#[derive(Clone, Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100, after_long_help = TOP_EXAMPLES)]
#[command(propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// The control socket [default: the configuration's, or /run/weir.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub control: Option<PathBuf>,
}

const TOP_EXAMPLES: &str = "\
Examples:
  weir doctor                             is this machine ready?
  weir run --bridge br0 --uplink eth1     take over a bridge
  weir run --config /etc/weir.toml        the ports that a file lists
  weir stats --watch                      rates, once a second
  weir stats --ledger                     where every frame went
  weir port set tap7 --weight 4           a larger share, at once
  weir port set tap7 --max-rate 100Mbit   no more than that
  weir config                             what holds now
  weir completions bash > /etc/bash_completion.d/weir

Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong";

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Forward frames until told to stop (SIGINT, SIGTERM) or to make room for the next weir (SIGUSR2)
    Run(RunArgs),
    /// Say what on this machine is missing or in the way, and how to mend it
    Doctor(DoctorArgs),
    /// Give the ports back to the kernel, where a weir was killed and none is to follow
    #[command(after_long_help = DETACH_EXAMPLES)]
    Detach {
        /// Take the gates off a weir that runs, too: for one that hangs
        ///
        /// One that does not hang attaches them again within seconds.
        #[arg(long)]
        force: bool,
    },
    /// Show, add, change and delete the ports of a running weir
    #[command(subcommand)]
    Port(PortCommand),
    /// Change what holds for all ports of a running weir
    Set(SetArgs),
    /// Show what can be changed while weir runs, as it is now
    #[command(after_long_help = CONFIG_EXAMPLES)]
    Config(JsonArgs),
    /// Show what a running weir moved, and what was lost and why
    Stats(StatsArgs),
    /// Show what a running weir moves, live, in the whole terminal
    Top(TopArgs),
    /// Write out latency histograms, losses or flows, in formats that other tools read
    #[command(subcommand, after_long_help = dump::EXAMPLES)]
    Dump(What),
    /// Write the packets that a running weir moves into a file for Wireshark
    Capture(CaptureArgs),
    /// Follow the next packets that match on their way through
    Trace(TraceArgs),
    /// Send, count and reflect test traffic, and measure loss, order and delay
    #[command(subcommand, after_long_help = probe::EXAMPLES)]
    Probe(ProbeCommand),
    /// Write a shell's completions to standard output
    #[command(hide = true, after_long_help = COMPLETIONS_EXAMPLES)]
    Completions { shell: Shell },
    /// Write the manual's pages into a folder
    #[command(hide = true)]
    Man {
        /// Made if it is not there: weir.1, and a page for each command
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["config", "bridge"])))]
#[command(after_long_help = RUN_EXAMPLES, override_usage = RUN_USAGE)]
pub struct RunArgs {
    /// A TOML file with the ports and how to treat them
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Take over the ports of this bridge, and follow those that come and go
    ///
    /// The bridge stays as it is: when weir stops, or is killed, it carries the traffic again.
    #[arg(short, long, value_name = "BRIDGE", value_parser = interface, requires = "uplink")]
    pub bridge: Option<String>,
    /// The bridge's port, or ports, towards the network; all others are vifs
    #[arg(short, long, value_name = "INTERFACE", num_args = 1.., value_delimiter = ',')]
    #[arg(value_parser = interface, conflicts_with = "config")]
    pub uplink: Vec<String>,
    #[arg(long, value_parser = choice::<Idle>())]
    #[arg(help = help_of::<ForwarderPlan>("idle"))]
    pub idle: Option<Idle>,
    #[arg(long, value_name = "CORE", num_args = 1.., value_delimiter = ',')]
    #[arg(help = help_of::<ForwarderPlan>("workers"))]
    pub worker: Vec<u64>,
    #[arg(long, value_parser = choice::<Mode>())]
    #[arg(help = format!("{}; holds for all ports", help_of::<PortPlan>("mode")))]
    pub mode: Option<Mode>,
    #[arg(long, value_parser = choice::<Lane>(), hide_possible_values = true)]
    #[arg(help = format!("{}; holds for all ports", help_of::<PortPlan>("lane")))]
    pub lane: Option<Lane>,
    /// Take over the interface of the default route, too
    ///
    /// Without it, weir refuses: a mistake there cuts off those who are logged in over it. Frames
    /// for the host itself pass in any case.
    #[arg(long)]
    pub force: bool,
    /// Leave what was measured in this folder at the end: latency, losses, flows, the ledger
    ///
    /// Files of an earlier run are replaced. What cannot be written is logged, and the exit code
    /// still says how the forwarding ended.
    #[arg(long, value_name = "DIR")]
    pub dump_dir: Option<PathBuf>,
    /// How the log is written, on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Log more; twice: everything. RUST_LOG overrides it
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

const RUN_USAGE: &str = "\
weir run --config <FILE> [OPTIONS]
       weir run --bridge <BRIDGE> --uplink <INTERFACE>... [OPTIONS]";

const RUN_EXAMPLES: &str = "\
Examples:
  weir run --bridge br0 --uplink eth1
      every port of br0 but eth1 is a VM's; new VMs are picked up as they
      join the bridge
  weir run --bridge br0 --uplink eth1 --idle spin --worker 3
      the lowest latency, at the price of core 3
  weir run --config /etc/weir.toml --worker 2,3
      two workers
  weir run --config /etc/weir.toml
      the smallest file that works:
          [[port]]
          name = \"eth1\"
          role = \"uplink\"
          [[port]]
          name = \"tap0\"
Command line options override the file. SIGHUP has it read again: what can change
while traffic flows does, and for the rest the log says that it needs a restart.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = DOCTOR_EXAMPLES)]
pub struct DoctorArgs {
    /// Look at the ports of this file, and at the file itself
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["bridge", "interfaces"])]
    pub config: Option<PathBuf>,
    /// Look at the ports of this bridge
    #[arg(short, long, value_name = "BRIDGE", value_parser = interface)]
    #[arg(conflicts_with = "interfaces")]
    pub bridge: Option<String>,
    /// Look at these interfaces [default: all that could be ports]
    #[arg(value_name = "INTERFACE", value_parser = interface)]
    pub interfaces: Vec<String>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

const DOCTOR_EXAMPLES: &str = "\
Examples:
  weir doctor                       this machine and all its interfaces
  weir doctor --bridge br0          before `weir run --bridge br0 ...`
  weir doctor --config weir.toml    before `weir run --config weir.toml`
  weir doctor eth1 tap0 --json      for a program to read";

const DETACH_EXAMPLES: &str = "\
A weir that is stopped takes everything off its ports. One that is killed leaves its
gates there: frames go on as they did, and the next `weir run` adopts them. This
command removes them, with weir's own pair of devices, and puts changed settings back.
What it finds depends on the network namespace it is run in. Bridges stay.

Examples:
  weir detach                            what any killed weir has left here
  weir detach --control /run/weir2.sock  only that one's
  ip netns exec router weir detach       in another network namespace

Exit codes: 0 removed, or nothing was there; 1 a weir runs here, or it failed";

#[derive(Clone, Debug, Subcommand)]
pub enum PortCommand {
    /// List the ports and how they are attached
    List(JsonArgs),
    /// Change what a port is promised
    Set(PortSetArgs),
    /// Take an interface into service
    Add(PortAddArgs),
    /// Take a port out of service
    Del(PortDelArgs),
}

#[derive(Clone, Copy, Debug, Args)]
pub struct JsonArgs {
    /// Print what the control socket answers, as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
#[command(after_long_help = STATS_EXAMPLES)]
pub struct StatsArgs {
    /// Print what the control socket answers, as JSON (with --watch: one line each time)
    #[arg(long)]
    pub json: bool,
    /// Show where every frame went, and whether the sums are equal
    #[arg(long, conflicts_with = "json")]
    pub ledger: bool,
    /// Show who shares which link, and how containers are filled and let go
    #[arg(long, conflicts_with_all = ["json", "ledger"])]
    pub shares: bool,
    /// Show rates, again and again until Ctrl-C
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub watch: Option<u64>,
    /// Explain every counter and reason, and what to do about it
    #[arg(long, exclusive = true)]
    pub help_counters: bool,
}

const STATS_EXAMPLES: &str = "\
Examples:
  weir stats                    totals since weir started
  weir stats --watch 5          rates, every 5 seconds
  weir stats --watch --shares   who gets what of each link
  weir stats --ledger           received + copies = delivered + passed + lost
                                + in flight, by reason of loss
  weir stats --json | jq .ledger
  curl --unix-socket /run/weir.sock http://weir/v1/stats";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  weir completions bash > /etc/bash_completion.d/weir
  weir completions zsh > \"${fpath[1]}/_weir\"
  weir completions fish > ~/.config/fish/completions/weir.fish";

/// A parser for a choice's names, with the meaning of each for the help.
fn choice<T: Choice>() -> impl TypedValueParser<Value = T> {
    let names = T::ALL.iter().map(|choice| {
        PossibleValue::new(choice.name()).aliases(choice.other_names()).help(choice.help())
    });
    PossibleValuesParser::new(names).try_map(|name| T::of_name(&name).ok_or(name))
}

/// The schema's sentence about a setting.
fn help_of<S: Section>(key: &str) -> String {
    S::declaration(key).map(Declaration::option_help).unwrap_or_default()
}

/// A time within bounds; `valid` describes them.
fn time(text: &str, bounds: RangeInclusive<Duration>, valid: &str) -> Result<Duration, String> {
    let span = text.parse::<Span>().map_err(|error| format!("{error}; valid: {valid}"))?;
    let time = Duration::from(span);
    if bounds.contains(&time) { Ok(time) } else { Err(format!("valid: {valid}")) }
}

fn interface(name: &str) -> Result<String, String> {
    if is_interface_name(name) {
        Ok(name.to_owned())
    } else {
        Err("no interface can have this name: 1 to 15 characters without spaces, slashes and \
             colons"
            .to_owned())
    }
}

impl Cli {
    /// The socket for requests to a running weir.
    pub fn control(&self) -> PathBuf {
        self.control.clone().unwrap_or_else(|| DEFAULT_CONTROL.into())
    }
}

impl RunArgs {
    /// The plan of a file or of a bridge, with the overrides of the command line.
    pub fn plan(&self, control: Option<&PathBuf>, host: &Host) -> Result<Plan, ConfigErrors> {
        let mut listed = HashSet::new();
        if let Some(name) = self.uplink.iter().find(|name| !listed.insert(*name)) {
            let (wrong, valid) =
                (format!("\"{name}\" is listed twice"), "valid: each interface once");
            return Err(ConfigErrors::argument("--uplink", wrong, valid));
        }
        let mut plan = match &self.config {
            Some(file) => weir_schema::load(file, host)?,
            None => {
                // Without a file clap demands a bridge.
                let bridge = self.bridge.as_deref().unwrap_or_default();
                Plan::for_bridge(bridge, &self.uplink, host.default_worker())
            }
        };
        if !self.worker.is_empty() {
            plan.set_workers(&self.worker, host)?;
        }
        plan.forwarder.idle = self.idle.unwrap_or(plan.forwarder.idle);
        for port in plan.every_port() {
            port.mode = self.mode.unwrap_or(port.mode);
            port.lane = self.lane.unwrap_or(port.lane);
        }
        if let Some(path) = control {
            check_control(path).map_err(|wrong| {
                let valid = "valid: an absolute path of at most 107 bytes";
                ConfigErrors::argument("--control", wrong, valid)
            })?;
            plan.forwarder.control.clone_from(path);
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests;
