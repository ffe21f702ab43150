//! The express paths to the ports, read and followed.
//!
//! What is followed is not under the host's control: a guest may change its MAC, attach a program, or
//! move its end of a veth at any time. The kernel tells of its interface there only to who listens to
//! all namespaces that have an id here, and does not tell when a program is attached by a bpf_link; a
//! veth then changes its features, mostly, which it tells. So a notification only says which ports to
//! look at again, and the caller looks at all of them every few seconds besides.
//!
//! Invariant: what [`PathWatch::next`] gives was noticed before the look that follows, and looks take
//! a bounded part of the time, however fast guests change.

use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::libc;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};
use tokio::time::{Instant, sleep_until};

use super::path::ExpressPath;
use super::{Link, decode, overrun, read_link};
use crate::host::netlink::{Netlink, Request, is_overrun, messages};

const RECEIVE_BUFFER_BYTES: u32 = 1 << 20;
/// From one look to the next, at least; and at least so many times as long as the look took.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSES: u32 = 10;
/// More interfaces than these are not told one by one.
const TOLD_AT_MOST: usize = 1024;
/// Fewer ports than these are asked for one by one.
const ASKED_ONE_BY_ONE: usize = 8;

/// The ports whose path may have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StalePaths {
    /// Notifications were lost, or not listened to.
    all: bool,
    ifindexes: BTreeSet<u32>,
}

impl StalePaths {
    /// All ports.
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
        if !self.all {
            self.ifindexes.insert(ifindex);
            if self.ifindexes.len() > TOLD_AT_MOST {
                *self = Self::all();
            }
        }
    }

    /// Notifications of any namespace. An interface is a port, or the other end of one, which its
    /// IFLA_LINK is. That index may be another namespace's as well; then a port is looked at in vain.
    fn absorb(&mut self, datagram: &[u8]) {
        for message in messages(datagram) {
            if !matches!(message.kind, libc::RTM_NEWLINK | libc::RTM_DELLINK) {
                continue;
            }
            let Some((ifindex, linked)) = decode::ends(message.payload) else { continue };
            self.note(ifindex);
            if let Some(linked) = linked {
                self.note(linked);
            }
        }
    }
}

/// See the module. It looks in the network namespace in which it was opened.
pub struct PathWatch {
    netlink: Arc<Mutex<Netlink>>,
    socket: TokioSocket,
    stale: StalePaths,
    not_before: Instant,
}

impl std::fmt::Debug for PathWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PathWatch").field("stale", &self.stale).finish_non_exhaustive()
    }
}

impl PathWatch {
    pub fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_ref().set_rx_buf_sz(RECEIVE_BUFFER_BYTES)?;
        if let Err(error) = socket.socket_ref().set_listen_all_namespaces(true) {
            // It takes CAP_NET_BROADCAST, which nothing else here needs.
            tracing::info!(
                "changes at guests' ends of veths are noticed some seconds late: the kernel does \
                 not tell of other namespaces ({error})"
            );
        }
        socket.socket_mut().bind(&SocketAddr::new(0, libc::RTMGRP_LINK as u32))?;
        let netlink = Arc::new(Mutex::new(Netlink::open()?));
        Ok(Self { netlink, socket, stale: StalePaths::default(), not_before: Instant::now() })
    }

    /// Which ports to look at again, at least one. Cancelling it loses nothing.
    pub async fn next(&mut self) -> io::Result<StalePaths> {
        while self.stale.is_nothing() {
            match poll_fn(|cx| self.socket.poll_recv_from_full(cx)).await {
                Ok((datagram, _)) => self.stale.absorb(&datagram),
                Err(error) => {
                    if is_overrun(error)? {
                        self.stale = StalePaths::all();
                    }
                }
            }
        }
        sleep_until(self.not_before).await;
        // What came meanwhile goes with it.
        let (socket, stale) = (self.socket.socket_ref(), &mut self.stale);
        overrun::empty(socket.get_rx_buf_sz()?, || match socket.recv_from_full() {
            Ok((datagram, _)) => {
                stale.absorb(&datagram);
                Ok(datagram.len())
            }
            Err(error) => {
                if error.raw_os_error() == Some(libc::ENOBUFS) {
                    *stale = StalePaths::all();
                }
                Err(error)
            }
        })?;
        Ok(mem::take(&mut self.stale))
    }

    /// The paths to these ports, by interface index; one that is not there any more, or that the kernel
    /// tells nothing of, has none.
    pub async fn look(&mut self, ports: BTreeSet<u32>) -> HashMap<u32, ExpressPath> {
        let began = Instant::now();
        let netlink = Arc::clone(&self.netlink);
        // It may wait for the kernel's rtnl lock.
        let looked = tokio::task::spawn_blocking(move || {
            look(&mut netlink.lock().unwrap_or_else(PoisonError::into_inner), &ports)
        });
        let looked = looked.await.map_err(io::Error::other).flatten();
        self.not_before = Instant::now() + PAUSE.max(began.elapsed() * PAUSES);
        looked.unwrap_or_else(|error| {
            tracing::warn!("the express paths to the ports cannot be read: {error}");
            HashMap::new()
        })
    }
}

fn look(netlink: &mut Netlink, ports: &BTreeSet<u32>) -> io::Result<HashMap<u32, ExpressPath>> {
    let near = if ports.len() < ASKED_ONE_BY_ONE {
        let each = ports.iter().map(|ifindex| read_link(netlink, &brief(*ifindex)));
        each.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect()
    } else {
        let all = netlink.dump(&brief(0))?;
        let links = all.iter().filter_map(|(_, payload)| decode::link(payload));
        links.filter(|link| ports.contains(&link.ifindex)).collect::<Vec<Link>>()
    };
    let path = |port: Link| {
        let path = ExpressPath::of(&port, |netns_id, ifindex| {
            let request = brief(ifindex);
            let there = request.attribute(libc::IFLA_TARGET_NETNSID, &netns_id.to_ne_bytes());
            read_link(netlink, &there)
        });
        (port.ifindex, path)
    };
    Ok(near.into_iter().map(path).collect())
}

/// A question for an interface, or with 0 for all, without its statistics.
fn brief(ifindex: u32) -> Request {
    Request::about_link(libc::RTM_GETLINK, ifindex)
        .number(libc::IFLA_EXT_MASK, libc::RTEXT_FILTER_SKIP_STATS as u32)
}

#[cfg(test)]
mod tests;
