//! What the project does with itself: set-up, run, test, judge, build-ebpf, bench, experiment,
//! report, dist.
//!
//! Invariant: builds with the Rust toolchain alone, since it is what installs everything else.

mod build;
mod build_ebpf;
mod command;
mod dist;
mod judge;
mod setup;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::ffi::OsString;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "What weir's repository does with itself",
    long_about = "What weir's repository does with itself.\n\n\
        On a fresh machine `cargo xtask run` and `cargo xtask test` need nothing but a stable Rust \
        toolchain and root: what is missing of system packages they install first, and say so."
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing of system packages (apt), or name it where there is no apt
    Setup {
        /// Only say what is missing; exit 1 if anything is
        #[arg(long)]
        check: bool,
    },
    /// Show weir at work on four VMs and an uplink, in namespaces; or run it with your arguments
    #[command(
        long_about = "Without arguments: builds weir, makes four VMs and an uplink host out of \
        network namespaces, lets weir forward UDP, TCP and ping between them for ten seconds with \
        a live table, prints the rates and the ledger, and removes everything. Ctrl-C does so too.\n\n\
        What was measured is left in target/weir: latency as HdrHistogram's files, losses and \
        flows.\n\n\
        With arguments after `--`: builds weir and runs `weir run ARGS`, for instance\n  \
        cargo xtask run -- --config weir.toml\n  cargo xtask run -- --bridge br0 --uplink eth1"
    )]
    Run {
        /// What to hand to `weir run`
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Run all tests: the pure tier, then the root tier (namespaces, XDP, traffic)
    Test {
        /// Leave the root tier out (its tests are counted as skipped)
        #[arg(long)]
        no_root: bool,
        /// Only this tier
        #[arg(long, value_enum)]
        tier: Option<test::Tier>,
        /// Only tests whose name contains this
        #[arg(value_name = "FILTER")]
        filter: Option<String>,
    },
    /// Run what takes too long for every change: property tests by chance, the kernel's tests of bridges
    #[command(subcommand)]
    Judge(Judge),
    /// Compile the XDP program into the committed object (nightly Rust and bpf-linker)
    #[command(
        long_about = "Compiles the XDP program into xdp-ebpf/prebuilt/, installing bpf-linker if \
        need be. It is needed only after changes to the program itself.\n\n\
        With --check: builds it elsewhere and compares byte for byte. Exit 1: the committed object \
        is not what the sources give; exit 3: it cannot be built on this machine, and only the \
        hash of the sources was checked."
    )]
    BuildEbpf {
        /// Prove that the committed object is what the sources give; change nothing
        #[arg(long)]
        check: bool,
    },
    /// Measure weir against its peers, interleaved (the experiments of W)
    #[command(
        long_about = "Builds release and measures weir against a Linux bridge, a bridge with HTB, \
        XDP redirect and a bare AF_XDP loop: `cargo xtask experiment run W`, with what follows \
        `bench` handed on: [--quick] [--again] [--only PEER,…] [--seed N] [--json].",
        disable_help_flag = true
    )]
    Bench {
        /// What to hand on (`cargo xtask bench --help` for weir-lab's own help)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Run the papers' experiments against weir and its peers, and judge them
    #[command(
        long_about = "Builds release and runs the papers' experiments, each a file in \
        bench-scripts/experiments, against weir and the peers that make its point: a Linux bridge, \
        a bridge with HTB, plain Linux forwarding, weir with one queue.\n\n\
        Everything after `experiment` goes to weir-lab:\n  \
        list [--json]                    what there is, how long it takes, what came out\n  \
        run ID…|all [--quick] [--again] [--only PEER,…] [--seed N] [--json]\n\n\
        ID is `A-E1` and the like, or a letter for all of its experiments: A to E are papers, W is weir \
        against its peers. Every cell is kept \
        in target/experiments as soon as it is measured: Ctrl-C, and the same command goes on from \
        there. `run` prints what each file says must hold, those that fail at the end again, and \
        exits with 1 if there are any, or anything could not be measured.\n\n\
        `run` takes root and an otherwise idle machine with two cores; `all` takes hours, `all \
        --quick` about ten minutes. See bench-scripts/README.md for the files.",
        disable_help_flag = true
    )]
    Experiment {
        /// What to hand to `weir-lab` (`cargo xtask experiment --help` for its own help)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Draw what the experiments measured beside what was published: one page, and RESULTS.md
    #[command(
        long_about = "Builds release and writes what `cargo xtask experiment run` measured: \
        target/experiments/report.html, one page that needs no network and no other file, with our \
        figures and the papers' in the same plots; and RESULTS.md, the short table.\n\n\
        Everything after `report` goes to weir-lab: [--page FILE] [--table FILE] [--open-nothing]. \
        It measures nothing and takes no root.",
        disable_help_flag = true
    )]
    Report {
        /// What to hand to `weir-lab report` (`cargo xtask report --help` for its own help)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Pack the release binary, manual, completions, licences and examples, below target/dist
    Dist,
}

#[derive(Subcommand)]
enum Judge {
    /// Run all that follows
    All,
    /// Run the property tests again and again, with other cases each time
    #[command(
        long_about = "Runs the property tests of the pure packages again and again, with other cases each \
        time, in release. `.ci/run` has the same cases always, so that a landing depends on the change \
        alone. Exit 1 at the first round that fails; proptest writes the case into a file beside the test."
    )]
    Properties {
        /// How often
        #[arg(long, value_name = "ROUNDS", default_value_t = judge::ROUNDS)]
        rounds: u32,
    },
    /// Run the kernel's own tests of bridges, on the plain bridge and with weir on it
    #[command(
        long_about = "Runs the kernel's tests (tools/testing/selftests/net/forwarding), unmodified, \
        in a guest with Debian's Linux 6.12: first on the plain bridge, then with `weir run --bridge \
        B --uplink P --mode gate` on every bridge B that a test makes. Prints what came out of each, \
        and how many ports weir had and how many frames it saw. Exit 1 if the plain bridge gives \
        something that weir does not, or weir was not there.\n\n\
        The guest is emulated and slow: some half an hour for all. It has no network device of this \
        machine, and reads this machine's files without writing to them. Debian's packages are kept \
        below $XDG_CACHE_HOME/weir-judge, or target/judge."
    )]
    Kselftest {
        /// Only on the plain bridge
        #[arg(long)]
        plain: bool,
        /// How long a test may take
        #[arg(long, value_name = "SECONDS", default_value_t = judge::SECONDS)]
        seconds: u32,
        /// Names as in tools/testing/selftests/net/forwarding; without any, those of bridges
        #[arg(value_name = "TEST")]
        tests: Vec<String>,
    },
}

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Setup { check } => setup::run(check),
        Task::Run { args } => build::run(&args),
        Task::Test { no_root, tier, filter } => test::run(no_root, tier, filter.as_deref()),
        Task::Judge(Judge::All) => judge::all(),
        Task::Judge(Judge::Properties { rounds }) => judge::properties(rounds),
        Task::Judge(Judge::Kselftest { plain, seconds, tests }) => {
            judge::kselftest(plain, seconds, &tests)
        }
        Task::BuildEbpf { check } => build_ebpf::run(check),
        Task::Bench { args } => build::lab(&["run", "W"], &args),
        Task::Experiment { args } => build::lab(&[], &args),
        Task::Report { args } => build::lab(&["report"], &args),
        Task::Dist => dist::run(),
    }
}
