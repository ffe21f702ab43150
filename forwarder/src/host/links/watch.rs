//! The stream of interface events. Invariant: applying the events to the initial snapshot always ends
//! at the kernel's state. When the kernel had to drop notifications (ENOBUFS), everything is read again
//! and the difference is reported.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;

use nix::libc;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};
use tokio::time::{Duration, Instant, sleep_until};

use super::{Link, Links, LinksError, Snapshot, decode, overrun};
use crate::host::netlink::{RawMessage, is_overrun, messages};

/// The requested receive buffer, so that a burst of new VMs does not overrun the socket; the kernel
/// caps it at net.core.rmem_max.
const RECEIVE_BUFFER_BYTES: u32 = 1 << 20;
/// The pause between two full readings: many changes can overrun the socket again and again, and the
/// rest of the control side has to get its turn.
const RESYNC_PAUSE: Duration = Duration::from_millis(100);

/// An event of the interface with an index; [`Watch::snapshot`] shows its present state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Appeared(u32),
    Vanished(u32),
    /// The interface entered or left a bridge, or another device that has members.
    MasterChanged(u32),
    /// The administrator set the interface up or down.
    UpChanged(u32),
    MtuChanged(u32),
    Renamed(u32),
    MacChanged(u32),
    /// An XDP program came or went, ours included: so weir notices a forced removal.
    XdpChanged(u32),
    /// An offload was switched; ethtool shows which.
    FeaturesChanged(u32),
    AddressesChanged(u32),
    /// Notifications were lost and everything was read again.
    Resynced,
}

/// Made by [`Links::watch`].
pub struct Watch {
    links: Links,
    socket: TokioSocket,
    snapshot: Snapshot,
    pending: VecDeque<Event>,
    overrun: bool,
    /// The earliest time of the next full reading.
    resync_at: Instant,
    /// The reading under way, kept so that it completes although `next` is cancelled.
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Snapshot, LinksError>> + Send>>;

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("snapshot", &self.snapshot)
            .field("pending", &self.pending)
            .field("overrun", &self.overrun)
            .finish_non_exhaustive()
    }
}

impl Watch {
    pub(super) async fn open(links: Links) -> Result<Self, LinksError> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        // Without the route groups: on a host that speaks BGP every prefix would wake weir. Default
        // routes are read when a port is taken.
        socket.socket_ref().set_rx_buf_sz(RECEIVE_BUFFER_BYTES)?;
        socket.socket_mut().bind(&SocketAddr::new(0, groups as u32))?;
        // Subscribe first and read then, so that no change falls between the two.
        let snapshot = links.snapshot().await?;
        let (pending, resync_at) = (VecDeque::new(), Instant::now());
        Ok(Self { links, socket, snapshot, pending, overrun: false, resync_at, reading: None })
    }

    /// The interfaces at the time of the last event that [`Watch::next`] returned.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The next event. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Result<Event, LinksError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            if self.overrun || self.reading.is_some() {
                self.resync().await?;
                continue;
            }
            match poll_fn(|cx| self.socket.poll_recv_from_full(cx)).await {
                Ok((datagram, _)) => self.absorb(&datagram),
                Err(error) => self.overrun |= is_overrun(error)?,
            }
        }
    }

    async fn resync(&mut self) -> Result<(), LinksError> {
        if self.reading.is_none() {
            sleep_until(self.resync_at).await;
            // Not through tokio, which makes a busy task pause. The rest of a flooded socket is older
            // or newer than the reading made now; applying it leads to the same end.
            let socket = self.socket.socket_ref();
            let buffer = socket.get_rx_buf_sz()?;
            overrun::empty(buffer, || socket.recv_from_full().map(|(bytes, _)| bytes.len()))?;
            self.overrun = false;
            let links = self.links.clone();
            self.reading = Some(Box::pin(async move { links.snapshot().await }));
        }
        let Some(reading) = &mut self.reading else { return Ok(()) };
        let read = reading.await;
        self.reading = None;
        self.resync_at = Instant::now() + RESYNC_PAUSE;
        let fresh = read?;
        self.pending.extend(difference(&self.snapshot, &fresh));
        self.pending.push_back(Event::Resynced);
        self.snapshot = fresh;
        Ok(())
    }

    fn absorb(&mut self, datagram: &[u8]) {
        for message in messages(datagram) {
            self.absorb_message(message);
        }
    }

    fn absorb_message(&mut self, RawMessage { kind, payload, .. }: RawMessage<'_>) {
        match kind {
            libc::RTM_NEWLINK => {
                let Some(mut link) = decode::link(payload) else { return };
                let old = self.snapshot.links.get(&link.ifindex);
                match old {
                    Some(old) => link.inherit(old),
                    None => link.ask_driver(),
                }
                changes(old, Some(&link), &mut self.pending);
                if decode::is_feature_change(payload) {
                    self.pending.push_back(Event::FeaturesChanged(link.ifindex));
                }
                self.snapshot.links.insert(link.ifindex, link);
            }
            libc::RTM_DELLINK => {
                if let Some(ifindex) = decode::deleted_link(payload)
                    && let Some(old) = self.snapshot.links.remove(&ifindex)
                {
                    changes(Some(&old), None, &mut self.pending);
                }
            }
            libc::RTM_NEWADDR | libc::RTM_DELADDR => {
                let Some((ifindex, address)) = decode::address(payload) else { return };
                let Some(link) = self.snapshot.links.get_mut(&ifindex) else { return };
                let before = link.addresses.len();
                let known = link.addresses.contains(&address);
                if kind == libc::RTM_DELADDR {
                    link.addresses.retain(|held| *held != address);
                } else if !known {
                    link.addresses.push(address);
                }
                if link.addresses.len() != before {
                    self.pending.push_back(Event::AddressesChanged(ifindex));
                }
            }
            _ => {}
        }
    }
}

/// The events between two snapshots.
pub(super) fn difference(old: &Snapshot, new: &Snapshot) -> VecDeque<Event> {
    let mut events = VecDeque::new();
    // Departures first: a name may have passed from one interface to another.
    for (ifindex, link) in &old.links {
        if !new.links.contains_key(ifindex) {
            changes(Some(link), None, &mut events);
        }
    }
    for (ifindex, link) in &new.links {
        changes(old.links.get(ifindex), Some(link), &mut events);
    }
    events
}

/// The events between two readings of an interface.
fn changes(old: Option<&Link>, new: Option<&Link>, events: &mut VecDeque<Event>) {
    match (old, new) {
        (None, None) => {}
        (Some(old), None) => events.push_back(Event::Vanished(old.ifindex)),
        (None, Some(new)) => events.push_back(Event::Appeared(new.ifindex)),
        (Some(old), Some(new)) => {
            let master = |link: &Link| (link.master, link.bridge());
            let changed = [
                (old.name != new.name, Event::Renamed as fn(u32) -> Event),
                (old.mtu != new.mtu, Event::MtuChanged),
                (old.mac != new.mac, Event::MacChanged),
                (old.xdp != new.xdp, Event::XdpChanged),
                (master(old) != master(new), Event::MasterChanged),
                (old.up != new.up, Event::UpChanged),
                (old.addresses != new.addresses, Event::AddressesChanged),
            ];
            let changed = changed.into_iter().filter(|(changed, _)| *changed);
            events.extend(changed.map(|(_, event)| event(new.ifindex)));
        }
    }
}

#[cfg(test)]
mod tests;
