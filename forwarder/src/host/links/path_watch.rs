//! Reads and follows the express paths to the ports.
//!
//! The host does not control these paths: a guest may change its MAC, attach a program, or move its end
//! of a veth at any time. The kernel reports changes of the guest's interface only to a socket that
//! listens to all namespaces with an id here. It does not report a program attached by a bpf_link; a
//! veth then usually changes its features, and that is reported. So a notification only names the ports
//! to examine again, and the caller also examines all of them every few seconds.
//!
//! Invariant: [`PathWatch::next`] returns only changes that happened before the examination that
//! follows, and examinations take a bounded part of the time, however fast guests change.

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
/// Between two examinations: at least this time, and at least `PAUSES` times an examination's duration.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSES: u32 = 10;
/// With more changed interfaces than this, all ports are examined.
const TOLD_AT_MOST: usize = 1024;
/// With fewer ports than this, each is requested by itself.
const ASKED_ONE_BY_ONE: usize = 8;

/// The ports whose path may have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StalePaths {
    /// All ports: notifications were lost, or there is no subscription.
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

    /// Takes in notifications of any namespace. Their interface is a port, or the other end of one,
    /// whose IFLA_LINK names the port. That index may also be one of another namespace; then a port is
    /// examined in vain.
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

/// See the module. It reads in the network namespace in which it was opened.
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
            // This takes CAP_NET_BROADCAST, which nothing else here needs.
            tracing::info!(
                "changes at guests' ends of veths are noticed some seconds late: the kernel does \
                 not tell of other namespaces ({error})"
            );
        }
        socket.socket_mut().bind(&SocketAddr::new(0, libc::RTMGRP_LINK as u32))?;
        let netlink = Arc::new(Mutex::new(Netlink::open()?));
        Ok(Self { netlink, socket, stale: StalePaths::default(), not_before: Instant::now() })
    }

    /// The ports to examine again, at least one. Cancelling it loses nothing.
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
        // Notifications that arrived meanwhile are included.
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

    /// The paths to these ports, by interface index. A port that is gone, or that the kernel reports
    /// nothing about, has no entry.
    pub async fn look(&mut self, ports: BTreeSet<u32>) -> HashMap<u32, ExpressPath> {
        let began = Instant::now();
        let netlink = Arc::clone(&self.netlink);
        // This may wait for the kernel's rtnl lock.
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

/// A request for an interface, or with 0 for all, without statistics.
fn brief(ifindex: u32) -> Request {
    Request::about_link(libc::RTM_GETLINK, ifindex)
        .number(libc::IFLA_EXT_MASK, libc::RTEXT_FILTER_SKIP_STATS as u32)
}

#[cfg(test)]
mod tests;
