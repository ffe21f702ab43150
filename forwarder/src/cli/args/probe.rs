//! The arguments of `weir probe`. Invariant: an order that cannot be sent at all is refused here, with
//! exit code 2; `probe::guard` refuses one that should not be sent from this machine.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use weir_core::{Mac, Span};

use super::interface;
use weir_probe::rate::Rate;
use weir_probe::send::Order;
use weir_probe::sink::Options;
use weir_probe::sizes::Sizes;
use weir_probe::wire::{DATA_LEN, FULL_LEN};
use weir_schema::ConfigErrors;

/// The default without --duration and --count.
pub const USUAL: Duration = Duration::from_secs(10);
const USUAL_FLOOR: Duration = Duration::from_secs(5);
const USUAL_SETTLE: Duration = Duration::from_millis(300);

pub(super) const EXAMPLES: &str = "\
Needs no running weir; only `floor` and --raw take root.

Examples:
  weir probe sink --port 9000                       on one machine,
  weir probe send 10.0.0.2:9000 --rate 5kpps        and on the other
  weir probe reflect --port 9000                    there and back:
  weir probe send 10.0.0.2:9000 --rtt --hgrm rtt.hgrm
  weir probe floor                                  the probe's own share";

#[derive(Clone, Debug, Subcommand)]
pub enum ProbeCommand {
    /// Send datagrams at a rate, whatever becomes of them
    Send(Box<SendArgs>),
    /// Count what comes: loss, order, duplicates, one-way delay
    Sink(SinkArgs),
    /// Send back what comes, with the times it came and went
    Reflect(ReflectArgs),
    /// Measure the probe itself, over a veth with nothing between (takes root)
    Floor(FloorArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stamps {
    /// When the sink has read it
    User,
    /// When the kernel received it (compared on the realtime clock)
    Kernel,
}

/// Where results go.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Write the histograms as a log, for HdrHistogram's tools
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// Write the main histogram's distribution, for HdrHistogram's plotter
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
}

/// What is sent when.
#[derive(Clone, Debug, Args)]
pub struct TrafficArgs {
    /// Datagrams or bits of frames a second (1kpps, 10Mbit), or max
    #[arg(long, default_value = "1kpps")]
    pub rate: Rate,
    /// N back to back, then a pause N times as long
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub burst: u64,
    /// UDP payload in bytes; a list or a range is gone through in turn
    #[arg(long, value_name = "BYTES", default_value = "64")]
    pub size: Sizes,
    /// For how long [default: 10s; 5s for floor; none with --count]
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Span>,
    /// End after N datagrams
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// The core that the sender runs on [default: any]
    #[arg(long, value_name = "CORE")]
    pub core: Option<usize>,
    /// Run on that core without sleeping: on time, at the price of the core
    #[arg(long)]
    pub spin: bool,
    /// At most N in one call to the kernel
    #[arg(long, value_name = "N", default_value_t = 32)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub batch: u64,
    /// Each with a source port of its own; datagrams go to them in turn
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub flows: u16,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = SEND_EXAMPLES)]
pub struct SendArgs {
    /// Address or name, and port, of a sink or reflector
    #[arg(value_name = "TARGET:PORT", value_parser = target)]
    pub target: SocketAddr,
    #[command(flatten)]
    pub traffic: TrafficArgs,
    /// Send from this address
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<IpAddr>,
    /// Insist on a reflector: fail if no answer comes
    #[arg(long, conflicts_with = "raw")]
    pub rtt: bool,
    /// How long to wait for stragglers before asking what came [default: 300ms]
    #[arg(long, value_name = "TIME")]
    pub settle: Option<Span>,
    /// Send faster than is modest to hosts that are not ours
    #[arg(long)]
    pub force: bool,
    /// Send one frame again and again past the stack of this interface (root)
    #[arg(long, value_name = "INTERFACE", value_parser = interface)]
    #[arg(conflicts_with_all = ["burst", "flows", "batch", "spin", "settle", "hlog", "hgrm"])]
    pub raw: Option<String>,
    /// --raw: to whom on the link
    #[arg(long, value_name = "MAC", requires = "raw")]
    pub dst_mac: Option<Mac>,
    /// --raw: from whom [default: the interface's address]
    #[arg(long, value_name = "MAC", requires = "raw")]
    pub src_mac: Option<Mac>,
    /// --raw: by an AF_XDP socket, without trying XDP live frames first
    #[arg(long, requires = "raw")]
    pub af_xdp: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

const SEND_EXAMPLES: &str = "\
Open loop: each datagram has its time, and none waits for another. A late one is
sent late (`lateness` says how late); what the kernel refuses is counted and not
sent. At rate max there is no schedule, and a full socket is waited for.
Sizes are of the UDP payload: at least 40 bytes, 64 where a reflector is to
answer. Frames have 42 bytes more (IPv4) or 62 (IPv6), which rates in bits count.
More than 10kpps or 100Mbit to others than this machine and its own networks, or
by the interface of the default route, takes --force.
--raw sends the same frame always: there are counts, but no numbers and times.
Live frames get into a veth only where its other end polls (ethtool -K PORT gro
on); elsewhere use --af-xdp.

Examples:
  weir probe send 10.0.0.2:9000 --rate 10kpps --duration 30s
  weir probe send [fd00::2]:9000 --rate 20Mbit --size 64..1400 --flows 100
  weir probe send 10.0.0.2:9000 --rate 1kpps --burst 50 --count 10000 --json
  weir probe send 10.0.0.2:9 --raw eth1 --dst-mac 02:00:00:00:00:02 --rate max";

#[derive(Clone, Debug, Args)]
pub struct ListenArgs {
    /// Where to listen; 0 for any free port, which is then told
    #[arg(long, value_name = "PORT")]
    pub port: u16,
    /// Only at this address [default: all, IPv4 and IPv6]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<IpAddr>,
    /// End after this time
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Span>,
    /// End after N datagrams
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Where the time of arrival is taken
    #[arg(long, value_enum, default_value_t = Stamps::User)]
    pub timestamps: Stamps,
    /// The core to run on [default: any]
    #[arg(long, value_name = "CORE")]
    pub core: Option<usize>,
    /// Show each flow, too
    #[arg(long)]
    pub by_flow: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = SINK_EXAMPLES)]
pub struct SinkArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Go on when the senders have ended, and report on each
    #[arg(long, conflicts_with_all = ["hlog", "hgrm"])]
    pub keep: bool,
    /// Count the frames of `send --raw` at this interface, and take them (root)
    #[arg(long, value_name = "INTERFACE", value_parser = interface)]
    #[arg(conflicts_with_all = ["bind", "timestamps", "keep", "core", "by_flow", "hlog", "hgrm"])]
    pub raw: Option<String>,
}

const SINK_EXAMPLES: &str = "\
Ends when all senders it has heard of have ended, on Ctrl-C, or as told.
Loss is known from the numbers, and at the end from the sender's last word.
Reordered is what comes behind a higher number (RFC 4737), its extent by how
many arrivals; late is what comes over 65,536 behind, and counts as lost.
One-way delay takes one clock: on one machine it is exact, between two it is as
good as they agree. Jitter (RFC 3550) does not need that.

Examples:
  weir probe sink --port 9000
  weir probe sink --port 9000 --timestamps kernel --hlog oneway.hlog
  weir probe sink --port 9000 --keep --json
  weir probe sink --port 9 --raw eth1 --duration 10s";

#[derive(Clone, Debug, Args)]
#[command(after_long_help = REFLECT_EXAMPLES)]
pub struct ReflectArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// End when all senders it has heard of have ended
    #[arg(long)]
    pub once: bool,
}

const REFLECT_EXAMPLES: &str = "\
Answers each datagram of at least 64 bytes once, with one as long.

Examples:
  weir probe reflect --port 9000
  weir probe reflect --port 9000 --bind 10.0.0.2 --core 1";

#[derive(Clone, Debug, Args)]
#[command(after_long_help = FLOOR_EXAMPLES)]
pub struct FloorArgs {
    #[command(flatten)]
    pub traffic: TrafficArgs,
    /// Over IPv6
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Where the time of arrival is taken
    #[arg(long, value_enum, default_value_t = Stamps::User)]
    pub timestamps: Stamps,
    /// The core that the sink runs on [default: any]
    #[arg(long, value_name = "CORE")]
    pub sink_core: Option<usize>,
    #[command(flatten)]
    pub output: OutputArgs,
}

const FLOOR_EXAMPLES: &str = "\
Makes two network namespaces with a veth between them, which are gone when it
ends, however it ends. What it finds is in every latency the probe measures.

Examples:
  weir probe floor
  weir probe floor --rate 10kpps --size 1400 --duration 30s --json";

fn target(text: &str) -> Result<SocketAddr, String> {
    let valid = "expected an address or name and a port, e.g. 10.0.0.2:9000 or [fd00::2]:9000";
    let found = text.to_socket_addrs().map_err(|error| format!("{error}; {valid}"))?.next();
    found.filter(|address| address.port() != 0).ok_or_else(|| valid.to_owned())
}

impl TrafficArgs {
    /// The order for `target`; sizes of at least `smallest` bytes.
    fn order(
        &self,
        target: SocketAddr,
        usual: Duration,
        smallest: usize,
    ) -> Result<Order, ConfigErrors> {
        if (self.size.smallest() as usize) < smallest {
            let wrong = format!("{} bytes have no room for what is measured", self.size.smallest());
            let valid = format!("valid: at least {smallest}");
            return Err(ConfigErrors::argument("--size", wrong, valid));
        }
        Ok(Order {
            rate: self.rate,
            burst: self.burst,
            sizes: self.size.clone(),
            flows: self.flows,
            count: self.count,
            duration: self.time(usual),
            core: self.core,
            batch: self.batch as usize,
            spin: self.spin,
            ..Order::to(target)
        })
    }

    /// The duration; `None` if only a count was given.
    pub fn time(&self, usual: Duration) -> Option<Duration> {
        match (self.duration, self.count) {
            (Some(span), _) => Some(span.into()),
            (None, Some(_)) => None,
            (None, None) => Some(usual),
        }
    }
}

impl SendArgs {
    pub fn order(&self) -> Result<Order, ConfigErrors> {
        let smallest = if self.rtt { FULL_LEN } else { DATA_LEN };
        if self.bind.is_some_and(|bind| bind.is_ipv4() != self.target.is_ipv4()) {
            let wrong = format!("{} cannot be reached from there", self.target.ip());
            return Err(ConfigErrors::argument("--bind", wrong, "valid: an address of its family"));
        }
        Ok(Order {
            bind: self.bind,
            settle: self.settle.map_or(USUAL_SETTLE, Duration::from),
            ..self.traffic.order(self.target, USUAL, smallest)?
        })
    }
}

impl FloorArgs {
    pub fn order(&self) -> Result<Order, ConfigErrors> {
        // The floor chooses the address itself.
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        self.traffic.order(nowhere, USUAL_FLOOR, DATA_LEN)
    }

    pub fn options(&self) -> Options {
        Options {
            kernel_stamps: self.timestamps == Stamps::Kernel,
            core: self.sink_core,
            ..Options::default()
        }
    }
}

impl ListenArgs {
    pub fn options(&self, reflect: bool, keep: bool) -> Options {
        Options {
            bind: self.bind,
            port: self.port,
            reflect,
            kernel_stamps: self.timestamps == Stamps::Kernel,
            duration: self.duration.map(Duration::from),
            count: self.count,
            keep,
            stamps: false,
            core: self.core,
        }
    }
}

#[cfg(test)]
mod tests;
