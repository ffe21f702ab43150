//! A client's wish to watch, as a query expresses it. Invariant: an unknown key or an invalid value is
//! refused with the valid ones.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use weir_core::{ByteSize, Span};

use crate::worker::{Filter, Points, Protocol, Purpose, WatchSpec};

/// Bytes of a packet that are captured by default.
pub const SNAPLEN: u32 = 2048;
pub const MAX_SNAPLEN: u32 = 65_535;
/// Bytes that may wait in each worker.
pub const BUFFER: u64 = 8 << 20;
pub const BUFFERS: RangeInclusive<u64> = 4096..=256 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Capture,
    Trace,
}

weir_core::choices! {
    /// Of a capture: which frames of a port.
    #[derive(Default)]
    Direction {
        /// What came in, whatever became of it
        In = "in",
        /// What was handed to the port
        Out = "out",
        /// What was lost, with the reason as its comment
        Lost = "lost",
        /// All of these
        #[default]
        Both = "both",
    }
}

impl Direction {
    pub(crate) fn points(self) -> Points {
        let is = |other| self == other || self == Self::Both;
        Points { arrival: is(Self::In), departure: is(Self::Out), loss: is(Self::Lost) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchQuery {
    pub kind: Kind,
    /// Names; empty: all ports.
    pub ports: Vec<String>,
    pub direction: Direction,
    pub host: Option<IpAddr>,
    pub l4_port: Option<u16>,
    pub protocol: Option<Protocol>,
    pub vlan: Option<u16>,
    pub snaplen: u32,
    /// The number of packets after which it ends.
    pub count: Option<u64>,
    pub duration: Option<Duration>,
    pub buffer: u64,
}

const KEYS: &str = "port, host, portno, proto, vlan, count, duration, buffer";

impl WatchQuery {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            ports: Vec::new(),
            direction: Direction::default(),
            host: None,
            l4_port: None,
            protocol: None,
            vlan: None,
            snaplen: SNAPLEN,
            count: (kind == Kind::Trace).then_some(1),
            duration: None,
            buffer: BUFFER,
        }
    }

    /// Parses a query; the error is for the client.
    pub fn parse(kind: Kind, pairs: &[(String, String)]) -> Result<Self, String> {
        let mut query = Self::new(kind);
        for (key, value) in pairs {
            query.set(key, value)?;
        }
        Ok(query)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let capture = self.kind == Kind::Capture;
        let (is_valid, valid) = match key {
            "port" => {
                self.ports.push(value.to_owned());
                return Ok(());
            }
            "dir" if capture => {
                (store(&mut self.direction, value.parse::<Direction>().ok()), "in, out, lost, both")
            }
            "host" => {
                (store(&mut self.host, value.parse::<IpAddr>().ok()), "an IPv4 or IPv6 address")
            }
            "portno" => (store(&mut self.l4_port, within(value, 1..=u16::MAX)), "1 to 65535"),
            "proto" => {
                (store(&mut self.protocol, value.parse::<Protocol>().ok()), "tcp, udp, icmp, arp")
            }
            "vlan" => {
                (store(&mut self.vlan, within(value, 0..=4094_u16)), "1 to 4094, or 0 for untagged")
            }
            "snaplen" if capture => {
                (store(&mut self.snaplen, within(value, 1..=MAX_SNAPLEN)), "1 to 65535")
            }
            "count" => (store(&mut self.count, within(value, 1..=u64::MAX)), "1 or more"),
            "duration" => {
                let span = value.parse::<Span>().ok().filter(|span| span.ns > 0);
                (store(&mut self.duration, span.map(Duration::from)), "such as 10s, 500ms")
            }
            "buffer" => {
                let size = value.parse::<ByteSize>().ok().map(|size| size.bytes);
                let size = size.filter(|bytes| BUFFERS.contains(bytes));
                (store(&mut self.buffer, size), "4KiB to 256MiB")
            }
            _ => {
                let more = if capture { ", dir, snaplen" } else { "" };
                return Err(format!("there is no key \"{key}\"; valid: {KEYS}{more}"));
            }
        };
        if is_valid {
            return Ok(());
        }
        Err(format!("{key}: \"{value}\" is not valid; valid: {valid}"))
    }

    /// The workers' form, with the ports' slots.
    pub(crate) fn spec(&self, ports: Option<weir_core::PortSet>) -> WatchSpec {
        let purpose = match self.kind {
            Kind::Capture => Purpose::Capture(self.direction.points()),
            Kind::Trace => Purpose::Trace,
        };
        let Self { host, l4_port, protocol, vlan, snaplen, .. } = *self;
        WatchSpec {
            purpose,
            filter: Filter { ports, host, l4_port, protocol, vlan },
            snaplen,
            buffer: usize::try_from(self.buffer).unwrap_or(usize::MAX),
        }
    }
}

/// Sets a field if the value is valid; returns whether it is.
fn store<T, F: From<T>>(field: &mut F, value: Option<T>) -> bool {
    value.map(|value| *field = value.into()).is_some()
}

fn within<T: FromStr + PartialOrd>(value: &str, valid: RangeInclusive<T>) -> Option<T> {
    value.parse().ok().filter(|number| valid.contains(number))
}

#[cfg(test)]
mod tests;
