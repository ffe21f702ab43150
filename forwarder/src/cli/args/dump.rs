//! The arguments of `weir dump`. Invariant: each kind of dump has the formats that can say it, and
//! clap names them when another is asked for.

use std::path::PathBuf;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use weir_core::units::Span;

use super::interface;

#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct DumpArgs {
    #[command(subcommand)]
    pub what: What,
}

const EXAMPLES: &str = "\
Examples:
  weir dump latency                            a table, for people
  weir dump latency --output latency.hlog      for HdrHistogram's tools
  weir dump latency --by stage --format hgrm   where time goes, all vifs together
  weir dump latency --interval 1s --output latency.hlog
                                               a histogram a second, until Ctrl-C
  weir dump flows --vif v1 --format csv        who v1 talks to
  weir dump loss --interval 60s --format csv   what is lost, minute by minute
What every column means: docs/dumps.md";

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// How long packets took, and where: HdrHistograms by vif and stage, or by flow
    ///
    /// Of the packets that workers delivered. What the gate hands over itself, by the express lane, is
    /// not timed.
    Latency(LatencyDump),
    /// What was lost, by port and reason
    Loss(LossDump),
    /// Who talks to whom, and what came of it
    ///
    /// What the gate hands over itself, by the express lane, is in no flow: it is in its source's sum
    /// (other), so that a source's rows and sums are all that it sent.
    Flows(FlowsDump),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Table,
    Hgrm,
    Hlog,
    Json,
    Csv,
}

/// By what a dump is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Vif,
    Stage,
    Flow,
}

#[derive(Clone, Debug, Args)]
pub struct LatencyDump {
    /// hgrm and hlog are HdrHistogram's, with every count [default: table, or as --output ends]
    #[arg(long, value_parser = formats(&["table", "hgrm", "hlog", "json", "csv"]))]
    pub format: Option<Format>,
    /// Each vif's stages and residence; the stages of all vifs together; each flow's residence
    #[arg(long, default_value = "vif", value_parser = by(&["vif", "stage", "flow"]))]
    pub by: By,
    #[command(flatten)]
    pub common: Common,
    /// Begin recording anew after this dump, for all who look
    #[arg(long, conflicts_with = "interval")]
    pub reset: bool,
}

#[derive(Clone, Debug, Args)]
pub struct LossDump {
    /// How it is written [default: table, or as --output ends]
    #[arg(long, value_parser = formats(&["table", "json", "csv"]))]
    pub format: Option<Format>,
    /// What every port lost, or every flow
    #[arg(long, default_value = "vif", value_parser = by(&["vif", "flow"]))]
    pub by: By,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Debug, Args)]
pub struct FlowsDump {
    /// How it is written [default: table, or as --output ends]
    #[arg(long, value_parser = formats(&["table", "json", "csv"]))]
    pub format: Option<Format>,
    /// There is no other division; `weir dump latency` has some
    #[arg(long, default_value = "flow", value_parser = by(&["flow"]), hide = true)]
    pub by: By,
    #[command(flatten)]
    pub common: Common,
    /// Forget all flows after this dump, for all who look
    #[arg(long, conflicts_with = "interval")]
    pub reset: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Only this vif's packets
    #[arg(long, value_name = "NAME", value_parser = interface)]
    pub vif: Option<String>,
    /// Dump again and again what happened since the last time, until Ctrl-C
    ///
    /// weir's own records are not touched by it. The first interval begins now; Ctrl-C cuts the
    /// last one short, and it is still written.
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Option<Span>,
    /// End after so many intervals
    #[arg(long, value_name = "N", requires = "interval")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Write to this file, or into this folder [default: standard output]
    ///
    /// A folder ends in a slash or is there already. In it, hgrm is a file for each histogram, as
    /// plotters want it.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Table, Self::Hgrm, Self::Hlog, Self::Json, Self::Csv];

    /// On the command line; of a file, what it ends in.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Hgrm => "hgrm",
            Self::Hlog => "hlog",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

impl By {
    const ALL: [Self; 3] = [Self::Vif, Self::Stage, Self::Flow];

    fn name(self) -> &'static str {
        match self {
            Self::Vif => "vif",
            Self::Stage => "stage",
            Self::Flow => "flow",
        }
    }
}

fn formats(valid: &'static [&'static str]) -> impl TypedValueParser<Value = Format> {
    let named = |name: String| Format::ALL.into_iter().find(|format| format.name() == name);
    PossibleValuesParser::new(valid).map(move |name| named(name).unwrap_or_default())
}

fn by(valid: &'static [&'static str]) -> impl TypedValueParser<Value = By> {
    let named = |name: String| By::ALL.into_iter().find(|by| by.name() == name);
    PossibleValuesParser::new(valid).map(move |name| named(name).unwrap_or(By::Vif))
}

/// Shorter ones would measure the asking.
fn interval(text: &str) -> Result<Span, String> {
    const SHORTEST: u64 = 10_000_000;
    const LONGEST: u64 = 24 * 3_600_000_000_000;
    let span: Span =
        text.parse().map_err(|error: weir_core::units::UnitError| error.to_string())?;
    if (SHORTEST..=LONGEST).contains(&span.ns) {
        Ok(span)
    } else {
        Err("valid: 10ms to 86400s".to_owned())
    }
}
