//! The selection of packets on the command line. Invariant: the running weir understands whatever clap
//! accepts; weir itself reports an unknown port.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use weir_core::ByteSize;

use super::{choice, interface, time};
use crate::observe::watch::query::{BUFFERS, Direction};
use crate::worker::Protocol;

/// What `weir capture` and `weir trace` choose packets by.
#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    /// Only at these ports [default: all]
    #[arg(value_name = "PORT", value_parser = interface)]
    pub ports: Vec<String>,
    /// Only from or to this address, IPv4 or IPv6; ARP's too
    #[arg(long, value_name = "IP")]
    pub host: Option<IpAddr>,
    /// Only from or to this TCP or UDP port
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Only this protocol
    #[arg(long, value_parser = choice::<Protocol>())]
    pub proto: Option<Protocol>,
    /// Only with this VLAN in the outermost tag; 0: only without a tag
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(0..=4094))]
    pub vlan: Option<u16>,
    /// End after so long, such as 10s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// What may wait to be read, in each worker; what finds no room is counted as missed
    #[arg(long, value_name = "BYTES", default_value = "8MiB", value_parser = buffer)]
    pub buffer: u64,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = CAPTURE_EXAMPLES)]
pub struct CaptureArgs {
    #[command(flatten)]
    pub what: WatchArgs,
    /// Which frames of a port
    #[arg(long, value_parser = choice::<Direction>(), default_value_t)]
    pub dir: Direction,
    /// The same as --dir lost
    #[arg(long, conflicts_with = "dir")]
    pub lost: bool,
    /// Where to, as pcapng; - is standard output, for a pipe
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub write: PathBuf,
    /// End after N packets
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Bytes of each packet that are kept
    #[arg(short, long, value_name = "N", default_value_t = 2048)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub snaplen: u32,
}

const CAPTURE_EXAMPLES: &str = "\
Frames are seen when they come in, when they are handed to a port, and where
they are lost: then their comment in the file says why. A superframe that is cut
is handed over piece by piece. The data path never waits for a capture: what it
cannot take is counted, and the frame goes its way. While a capture runs, every
frame goes by a worker, whatever the ports' `lane` is.

Examples:
  weir capture -w all.pcapng                      until Ctrl-C
  weir capture tap7 --proto udp --port 53 | wireshark -k -i -
  weir capture --lost -w lost.pcapng --duration 1m
  weir capture tap7 --dir in --count 100 | tshark -r - -V";

#[derive(Clone, Debug, Args)]
#[command(after_long_help = TRACE_EXAMPLES)]
pub struct TraceArgs {
    #[command(flatten)]
    pub what: WatchArgs,
    /// End after N packets
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Print what the control socket answers: a line of JSON for each packet
    #[arg(long)]
    pub json: bool,
}

const TRACE_EXAMPLES: &str = "\
Follows the next packets that come in at the ports named: what the XDP program
made of each, which port it is for, how long it waited in its container, in its
queue and for the device, or why it was lost. While a trace runs, every frame
goes by a worker, whatever the ports' `lane` is.

Examples:
  weir trace                           the next packet of any port
  weir trace tap7 --proto icmp
  weir trace --host 10.0.0.5 --count 20 --json | jq .outcome";

fn duration(text: &str) -> Result<Duration, String> {
    time(text, Duration::from_nanos(1)..=Duration::MAX, "more than nothing, e.g. \"10s\"")
}

fn buffer(text: &str) -> Result<u64, String> {
    let size: ByteSize = text.parse().map_err(|error| format!("{error}"))?;
    if BUFFERS.contains(&size.bytes) {
        Ok(size.bytes)
    } else {
        Err("valid: 4KiB to 256MiB".to_owned())
    }
}

impl WatchArgs {
    /// The request's query: these wishes, and those of one command.
    fn query<const N: usize>(&self, own: [(&str, Option<String>); N]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.ports.iter().map(|port| ("port", port)));
        let common = [
            ("host", self.host.map(|host| host.to_string())),
            ("portno", self.port.map(|port| port.to_string())),
            ("proto", self.proto.map(|protocol| protocol.to_string())),
            ("vlan", self.vlan.map(|vlan| vlan.to_string())),
            ("duration", self.duration.map(|duration| format!("{}ns", duration.as_nanos()))),
            ("buffer", Some(format!("{}B", self.buffer))),
        ];
        let pairs = common.into_iter().chain(own);
        query.extend_pairs(pairs.filter_map(|(key, value)| Some((key, value?))));
        query.finish()
    }
}

impl CaptureArgs {
    pub fn query(&self) -> String {
        let direction = if self.lost { Direction::Lost } else { self.dir };
        self.what.query([
            ("dir", Some(direction.to_string())),
            ("snaplen", Some(self.snaplen.to_string())),
            ("count", self.count.map(|count| count.to_string())),
        ])
    }
}

impl TraceArgs {
    pub fn query(&self) -> String {
        self.what.query([("count", Some(self.count.to_string()))])
    }
}

#[cfg(test)]
mod tests;
