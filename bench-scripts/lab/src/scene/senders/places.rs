//! Senders of datagrams and their receivers. Invariant: every receiver has a socket for them.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, Result};

use crate::scene::cast::{Pair, pairs};
use crate::spec::Traffic;
use crate::stage::{Spot, Stage};

/// A sender, and all its destinations.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    pub(super) from: Spot<'a>,
    pub(super) to: Vec<Spot<'a>>,
    /// The owner of the frames, for each place.
    pub(super) whose: Vec<Option<String>>,
}

pub(super) fn senders<'a>(stage: &'a Stage, traffic: &Traffic) -> Result<Vec<Sender<'a>>> {
    let mut senders: Vec<Sender<'a>> = Vec::new();
    for Pair { from, to, who } in pairs(stage, traffic)? {
        let same = |sender: &&mut Sender<'_>| sender.from.ns.name() == from.ns.name();
        match senders.iter_mut().find(same) {
            Some(sender) => {
                sender.to.push(to);
                sender.whose.push(who);
            }
            None => senders.push(Sender { from, to: vec![to], whose: vec![who] }),
        }
    }
    Ok(senders)
}

/// Sockets at the receivers: a datagram that is not dropped before would otherwise be answered by ICMP.
/// They are never read.
#[derive(Debug, Default)]
pub(super) struct Sinks(Vec<(SocketAddr, UdpSocket)>);

impl Sinks {
    /// Opens a port at every place, any free one if it is 0; a port that another traffic has open
    /// already will do.
    pub(super) fn open(senders: &[Sender<'_>], port: u16) -> Result<Self> {
        let mut sinks = Self::default();
        for to in senders.iter().flat_map(|sender| &sender.to) {
            if sinks.at(to).is_none() {
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

    pub(super) fn at(&self, place: &Spot<'_>) -> Option<SocketAddr> {
        let mut all = self.0.iter().map(|(addr, _)| *addr);
        all.find(|addr| addr.ip() == place.addr)
    }
}
