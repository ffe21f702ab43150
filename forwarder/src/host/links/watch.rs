//! Follows the interfaces, and the express paths to those that are ports.
//!
//! A notification only says what to look at again: all interfaces are then read, and the caller examines
//! the paths to the ports concerned, which a guest may change at any time. The kernel reports changes of
//! the guest's interface only to a socket that listens to all namespaces with an id here, and a program
//! attached by a bpf_link not at all. So the caller also reads everything every few seconds
//! ([`Watch::refresh`]).
//!
//! Invariant: changes that [`Watch::next`] returns happened before the snapshot was read, and readings take
//! a bounded part of the time, however fast notifications come.

use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::io;
use std::mem;

use nix::libc;
use rtnetlink::sys::{AsyncSocket, TokioSocket};
use tokio::task::JoinHandle;

use super::path::ExpressPath;
use super::{Link, Links, LinksError, Snapshot, brief, decode, read_link, read_links};
use crate::host::netlink::{Pace, is_overrun, messages, subscribe, u32_at};

/// The requested receive buffer, so that a burst of new VMs does not overrun the socket.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// The most datagrams taken before everything is read.
const DATAGRAMS_AT_A_TIME: usize = 1024;
/// With more changed interfaces than this, all are taken as changed.
const TOLD_AT_MOST: usize = 1024;
/// Without the groups of routes: on a host that speaks BGP every prefix would wake weir. Default routes are
/// read when a port is taken.
const GROUPS: [u32; 3] = [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR];

/// The interfaces that may have changed, and the ports whose path may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// All: notifications were lost, or there is no subscription.
    all: bool,
    ifindexes: BTreeSet<u32>,
    /// Whether the snapshot differs from the one before.
    pub snapshot: bool,
}

impl Changed {
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    pub fn concerns(&self, ifindex: u32) -> bool {
        self.all || self.ifindexes.contains(&ifindex)
    }

    fn is_nothing(&self) -> bool {
        !self.all && self.ifindexes.is_empty()
    }

    fn note(&mut self, ifindex: u32) {
        self.ifindexes.insert(ifindex);
        self.all |= self.ifindexes.len() > TOLD_AT_MOST;
        if self.all {
            self.ifindexes.clear();
        }
    }

    /// Takes in notifications of any namespace. Their interface is one of this namespace, or the other end
    /// of one, whose IFLA_LINK names the near end. With an index of another one, a look is in vain.
    fn absorb(&mut self, datagram: &[u8]) {
        for message in messages(datagram) {
            let ends = match message.message_type() {
                libc::RTM_NEWLINK | libc::RTM_DELLINK => decode::ends(message.payload()),
                libc::RTM_NEWADDR | libc::RTM_DELADDR => [u32_at(message.payload(), 4), None],
                _ => [None; 2],
            };
            ends.into_iter().flatten().for_each(|ifindex| self.note(ifindex));
        }
    }
}

/// Made by [`Links::watch`].
pub struct Watch {
    links: Links,
    socket: TokioSocket,
    snapshot: Snapshot,
    changed: Changed,
    pace: Pace,
    /// The reading under way, kept so that it completes although `next` is cancelled.
    reading: Option<JoinHandle<io::Result<Snapshot>>>,
}

debug_partly!(Watch, snapshot, changed);

impl Links {
    /// Follows the interfaces from now on.
    pub async fn watch(&self) -> Result<Watch, LinksError> {
        // Subscribe first and read then, so that no change falls between the two.
        let (socket, all_namespaces) = listen()?;
        if let Err(error) = all_namespaces {
            // This takes CAP_NET_BROADCAST, which nothing else here needs.
            tracing::info!(
                "changes at guests' ends of veths are noticed some seconds late: the kernel does not \
                 tell of other namespaces ({error})"
            );
        }
        let snapshot = self.snapshot().await?;
        let (changed, pace) = (Changed::default(), Pace::default());
        Ok(Watch { links: self.clone(), socket, snapshot, changed, pace, reading: None })
    }
}

impl Watch {
    /// The interfaces as last read.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What may have changed; the snapshot is newer. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Result<Changed, LinksError> {
        loop {
            while self.changed.is_nothing() {
                match poll_fn(|cx| self.socket.poll_recv_from_full(cx)).await {
                    Ok((datagram, _)) => self.changed.absorb(&datagram),
                    Err(error) => self.failed(error)?,
                }
            }
            if self.reading.is_none() {
                self.pace.wait().await;
                self.receive_waiting()?;
            }
            if self.refresh().await? {
                return Ok(mem::take(&mut self.changed));
            }
        }
    }

    /// Takes in the notifications that wait, not through tokio, which makes a busy task pause.
    fn receive_waiting(&mut self) -> io::Result<()> {
        for _ in 0..DATAGRAMS_AT_A_TIME {
            match self.socket.socket_ref().recv_from_full() {
                Ok((datagram, _)) => self.changed.absorb(&datagram),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.failed(error)?,
            }
        }
        Ok(())
    }

    /// Reads the interfaces again, except for default routes. False: they changed during each attempt.
    pub async fn refresh(&mut self) -> Result<bool, LinksError> {
        let reading = self.reading.get_or_insert_with(|| {
            self.pace.begin();
            let before = self.snapshot.clone();
            self.links.spawn(move |netlink| read_links(netlink, &before))
        });
        let read = reading.await;
        self.reading = None;
        self.pace.end();
        let fresh = match read? {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            read => read?,
        };
        self.changed.snapshot |= !fresh.equals_but_carrier(&self.snapshot);
        self.snapshot = fresh;
        Ok(true)
    }

    /// After a loss the socket is replaced: its messages are older than the next reading.
    fn failed(&mut self, error: io::Error) -> io::Result<()> {
        if is_overrun(error)? {
            (self.socket, _) = listen()?;
            self.changed.all = true;
        }
        Ok(())
    }

    /// The paths to these ports, by interface index, as far as the kernel reports the ports.
    pub async fn look(&mut self, ports: &BTreeSet<u32>) -> HashMap<u32, ExpressPath> {
        self.pace.begin();
        let near = self.snapshot.iter().filter(|link| ports.contains(&link.ifindex));
        let near: Vec<Link> = near.cloned().collect();
        let looked = self.links.spawn(move |netlink| {
            let path = |port: Link| {
                let path = ExpressPath::of(&port, |netns_id, ifindex| {
                    let there = netns_id.to_ne_bytes();
                    let request = brief(ifindex).attribute(libc::IFLA_TARGET_NETNSID, &there);
                    read_link(netlink, &request)
                });
                (port.ifindex, path)
            };
            Ok(near.into_iter().map(path).collect())
        });
        let looked = looked.await.map_err(io::Error::other).flatten();
        self.pace.end();
        looked.unwrap_or_else(|error| {
            tracing::warn!("the express paths to the ports cannot be read: {error}");
            HashMap::new()
        })
    }
}

/// A subscription, and whether it is to all namespaces.
fn listen() -> io::Result<(TokioSocket, io::Result<()>)> {
    let socket = subscribe(&GROUPS, RECEIVE_BUFFER_BYTES)?;
    let all_namespaces = socket.socket_ref().set_listen_all_namespaces(true);
    Ok((socket, all_namespaces))
}

#[cfg(test)]
mod tests;
