//! Follows one bridge: everything is read once, then the kernel's notifications are applied.
//!
//! When the kernel had to drop notifications (ENOBUFS), the bridge is read afresh over a new
//! subscription, and the difference is told. What the old subscription still holds is older than
//! the reading and goes away with it, so nothing has to be drained, and a flood of notifications
//! cannot keep the watch from reading. Readings keep a distance that grows while the flood lasts.
//!
//! Invariant: at every moment the state is one that the notifications up to some moment lead to,
//! or [`BridgeWatch::is_current`] is false.

mod pace;
mod read;

use std::future::poll_fn;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};
use tokio::time::{Instant, sleep_until};

use self::pace::ResyncPace;
pub(crate) use self::read::read;
use super::decode;
use super::state::{BridgeState, Change};
use crate::host::links::LinksError;
use crate::host::netlink::{Netlink, Request, is_overrun, messages, u32_at};

/// Some ten thousand notifications. The kernel takes the memory only for what waits.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// More than any notification has.
const DATAGRAM_BYTES: usize = 64 << 10;
/// Datagrams that are taken at a time, before the changes are returned.
const DATAGRAMS_AT_A_TIME: usize = 1024;
const GROUPS: [u32; 3] = [libc::RTNLGRP_LINK, libc::RTNLGRP_NEIGH, libc::RTNLGRP_BRVLAN];

/// The bridge's state, and what changes in it.
pub struct BridgeWatch {
    netlink: Arc<Mutex<Netlink>>,
    socket: TokioSocket,
    buffer: Vec<u8>,
    state: BridgeState,
    pending: Vec<Change>,
    /// Set from the loss of notifications until the bridge has been read again.
    stale: bool,
    pace: ResyncPace,
    resyncs: u64,
    /// The number of the last fence that was set, and of the last that was passed.
    fence: u32,
    passed: u32,
}

impl std::fmt::Debug for BridgeWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BridgeWatch")
            .field("state", &self.state)
            .field("pending", &self.pending)
            .field("stale", &self.stale)
            .field("resyncs", &self.resyncs)
            .finish_non_exhaustive()
    }
}

impl BridgeWatch {
    /// Reads the bridge with that interface index, in the network namespace of this thread, and
    /// follows it from now on.
    pub async fn open(bridge: u32) -> Result<Self, LinksError> {
        let netlink = Arc::new(Mutex::new(Netlink::open()?));
        // Subscribed first and read then, so that nothing falls between the two.
        let mut watch = Self {
            netlink,
            socket: subscribe()?,
            buffer: Vec::with_capacity(DATAGRAM_BYTES),
            state: BridgeState::new(bridge),
            pending: Vec::new(),
            stale: false,
            pace: ResyncPace::default(),
            resyncs: 0,
            fence: 0,
            passed: 0,
        };
        watch.state = watch.read().await?;
        Ok(watch)
    }

    /// The bridge after the last change that [`BridgeWatch::next`] returned, or later.
    pub fn state(&self) -> &BridgeState {
        &self.state
    }

    /// Whether no notification has been lost since the bridge was read.
    pub fn is_current(&self) -> bool {
        !self.stale
    }

    /// How often the bridge had to be read afresh.
    pub fn resyncs(&self) -> u64 {
        self.resyncs
    }

    /// The next changes, at least one. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Result<Vec<Change>, LinksError> {
        loop {
            if !self.pending.is_empty() {
                return Ok(mem::take(&mut self.pending));
            }
            if self.stale {
                self.resync().await?;
                continue;
            }
            self.buffer.clear();
            let received = poll_fn(|cx| self.socket.poll_recv(cx, &mut self.buffer)).await;
            if self.received(received)? {
                // What has come together is told together.
                let mut left = DATAGRAMS_AT_A_TIME;
                while left > 0 && self.receive_now()? {
                    left -= 1;
                }
            }
        }
    }

    /// Applies what the kernel has queued up to this moment, and whether that is all that has
    /// happened: false after a loss, until the bridge has been read again. The changes are returned
    /// by [`BridgeWatch::next`]. Bounded by what the socket holds, whatever arrives meanwhile.
    pub fn drained(&mut self) -> Result<bool, LinksError> {
        if self.stale {
            return Ok(false);
        }
        // The answer to a request takes its place in the queue behind every notification there.
        self.fence = self.fence.wrapping_add(1);
        let request = Request::new(libc::NLMSG_NOOP as u16, &[]).flags(libc::NLM_F_ACK);
        let bytes = request.encode(self.fence);
        self.socket.socket_ref().send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        while self.passed != self.fence && !self.stale {
            if !self.receive_now()? {
                // The answer itself found no room.
                self.stale = self.passed != self.fence;
            }
        }
        Ok(!self.stale)
    }

    /// How many changes wait for [`BridgeWatch::next`]: a mark for [`BridgeWatch::told_since`].
    pub fn told(&self) -> usize {
        self.pending.len()
    }

    /// The changes that came up since the mark was taken, which stay for [`BridgeWatch::next`].
    pub fn told_since(&self, mark: usize) -> &[Change] {
        self.pending.get(mark..).unwrap_or_default()
    }

    /// One datagram, if there is one.
    fn receive_now(&mut self) -> Result<bool, LinksError> {
        self.buffer.clear();
        match self.socket.socket_ref().recv(&mut self.buffer, 0) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            received => self.received(received.map(drop)),
        }
    }

    /// Applies the datagram in the buffer; whether there was one.
    fn received(&mut self, received: io::Result<()>) -> Result<bool, LinksError> {
        if let Err(error) = received {
            self.stale |= is_overrun(error)?;
            return Ok(false);
        }
        for message in messages(&self.buffer) {
            if i32::from(message.kind) == libc::NLMSG_ERROR {
                if u32_at(message.payload, 0) == Some(0) {
                    self.passed = message.sequence;
                }
            } else if let Some(news) = decode::message(message.kind, message.payload) {
                self.pending.extend(self.state.apply(news));
            }
        }
        Ok(true)
    }

    async fn resync(&mut self) -> Result<(), LinksError> {
        if let Some(at) = self.pace.not_before() {
            sleep_until(at).await;
        }
        self.socket = subscribe()?;
        match self.read().await {
            Ok(fresh) => {
                self.pending.extend(self.state.changes_to(&fresh));
                self.state = fresh;
                self.stale = false;
                self.resyncs += 1;
                self.pace.done(Instant::now());
                Ok(())
            }
            // The bridge changed while it was read, each time it was tried.
            Err(LinksError::Netlink(error)) if error.kind() == io::ErrorKind::Interrupted => {
                self.pace.done(Instant::now());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// It may wait for the kernel's rtnl lock, hence not on this thread.
    async fn read(&self) -> Result<BridgeState, LinksError> {
        let netlink = Arc::clone(&self.netlink);
        let bridge = self.state.ifindex();
        let reading = tokio::task::spawn_blocking(move || {
            read(&mut netlink.lock().unwrap_or_else(PoisonError::into_inner), bridge)
        });
        Ok(reading.await??)
    }
}

fn subscribe() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    // A process that may set up bridges may also pass the limit that net.core.rmem_max sets.
    let bytes = RECEIVE_BUFFER_BYTES;
    if setsockopt(socket.socket_ref(), sockopt::RcvBufForce, &bytes).is_err() {
        setsockopt(socket.socket_ref(), sockopt::RcvBuf, &bytes)?;
    }
    socket.socket_ref().set_cap_ack(true)?;
    socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
    for group in GROUPS {
        socket.socket_ref().add_membership(group)?;
    }
    Ok(socket)
}
