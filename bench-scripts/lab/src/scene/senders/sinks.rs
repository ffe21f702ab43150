//! Sockets at the receivers of datagrams: one that is not dropped before would otherwise be answered by
//! ICMP. Invariant: every receiver has one; they are never read.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, Result};

use crate::scene::cast::Pair;
use crate::stage::Spot;

#[derive(Debug, Default)]
pub(super) struct Sinks(Vec<(SocketAddr, UdpSocket)>);

impl Sinks {
    /// Opens a port at every place, any free one if it is 0; a port that another traffic has open
    /// already will do.
    pub(super) fn open(flows: &[Pair<'_>], port: u16) -> Result<Self> {
        let mut sinks = Self::default();
        for Pair { to, .. } in flows {
            if sinks.at(to).is_err() {
                let socket = to.ns.run(|| match UdpSocket::bind((to.addr, port)) {
                    Err(error) if port > 0 && error.kind() == ErrorKind::AddrInUse => Ok(None),
                    bound => Ok(Some(bound?)),
                });
                let socket = socket.with_context(|| format!("a socket at {}", to.addr))?;
                if let Some(socket) = socket {
                    sinks.0.push((socket.local_addr()?, socket));
                }
            }
        }
        Ok(sinks)
    }

    pub(super) fn at(&self, place: &Spot<'_>) -> Result<SocketAddr> {
        let mut all = self.0.iter().map(|(addr, _)| *addr);
        all.find(|addr| addr.ip() == place.addr).context("no socket at the receiver")
    }
}
