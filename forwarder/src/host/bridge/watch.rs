//! Follows one bridge: reads everything once, then applies the kernel's notifications.
//!
//! When the kernel had to drop notifications (ENOBUFS), the watch reads the bridge again over a new
//! subscription and reports the difference. Messages left in the old one are older than the reading, so a
//! flood of notifications cannot keep the watch from reading.
//!
//! Invariant: at every moment the state is one that the notifications up to some moment lead to,
//! or [`BridgeWatch::drained`] returns false.

use std::future::poll_fn;
use std::io;
use std::mem;

use nix::libc;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};
use weir_port::clock_monotonic_ns;

use super::decode;
use super::state::{BridgeState, Change};
use crate::host::links::{Links, LinksError};
use crate::host::netlink::{Answers, Netlink, Pace, Request};
use crate::host::netlink::{is_overrun, messages, subscribe, u32_at};

// Not in libc: linux/rtnetlink.h
const RTM_GETVLAN: u16 = 114;
/// Room for some ten thousand notifications. The kernel takes the memory only for messages that wait.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// More than any notification has.
const DATAGRAM_BYTES: usize = 64 << 10;
/// The most datagrams taken before the changes are returned.
const DATAGRAMS_AT_A_TIME: usize = 1024;
const GROUPS: [u32; 3] = [libc::RTNLGRP_LINK, libc::RTNLGRP_NEIGH, libc::RTNLGRP_BRVLAN];

/// The bridge's state, and what changes in it.
pub struct BridgeWatch {
    links: Links,
    /// For writes.
    pub(super) netlink: Netlink,
    socket: TokioSocket,
    buffer: Vec<u8>,
    pub(super) state: BridgeState,
    pending: Vec<Change>,
    /// Set from a loss of notifications until the bridge has been read again.
    stale: bool,
    pace: Pace,
    /// How often a loss made it necessary to read the bridge again.
    pub resyncs: u64,
    /// The numbers of the last fence sent, and of the last one whose answer came.
    fence: u32,
    passed: u32,
}

debug_partly!(BridgeWatch, state, pending, stale, resyncs);

impl BridgeWatch {
    /// Reads the bridge with that interface index, in this thread's network namespace, and follows it.
    pub async fn open(bridge: u32) -> Result<Self, LinksError> {
        // Subscribe first and read then, so that no change falls between the two.
        let mut watch = Self {
            links: Links::open()?,
            netlink: Netlink::open()?,
            socket: subscribe(&GROUPS, RECEIVE_BUFFER_BYTES)?,
            buffer: Vec::with_capacity(DATAGRAM_BYTES),
            state: BridgeState::new(bridge),
            pending: Vec::new(),
            stale: false,
            pace: Pace::default(),
            resyncs: 0,
            fence: 0,
            passed: 0,
        };
        watch.state = watch.read().await?;
        Ok(watch)
    }

    /// The bridge after the last change that [`BridgeWatch::next`] returned, or after a later one.
    pub fn state(&self) -> &BridgeState {
        &self.state
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
                // Changes that arrive together are returned together.
                let mut left = DATAGRAMS_AT_A_TIME;
                while left > 0 && self.receive_now()? {
                    left -= 1;
                }
            }
        }
    }

    /// Applies all notifications queued up to this moment, however many arrive meanwhile; their changes
    /// stay for [`BridgeWatch::next`]. False after a loss, until the bridge has been read again.
    pub fn drained(&mut self) -> Result<bool, LinksError> {
        if self.stale {
            return Ok(false);
        }
        // The answer to a request queues behind every notification already there.
        self.fence = self.fence.wrapping_add(1);
        let request = Request::new(libc::NLMSG_NOOP as u16, &[]).flags(libc::NLM_F_ACK);
        let bytes = request.encode(self.fence);
        self.socket.socket_ref().send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        while self.passed != self.fence && !self.stale {
            if !self.receive_now()? {
                // Otherwise the answer itself found no room in the socket.
                self.stale = self.passed != self.fence;
            }
        }
        Ok(!self.stale)
    }

    /// A mark for [`BridgeWatch::told_since`].
    pub fn told(&self) -> usize {
        self.pending.len()
    }

    /// The changes since the mark was taken, which stay for [`BridgeWatch::next`].
    pub fn told_since(&self, mark: usize) -> &[Change] {
        self.pending.get(mark..).unwrap_or_default()
    }

    /// Receives one datagram, if there is one.
    fn receive_now(&mut self) -> Result<bool, LinksError> {
        self.buffer.clear();
        match self.socket.socket_ref().recv(&mut self.buffer, 0) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            received => self.received(received.map(drop)),
        }
    }

    /// Applies the datagram in the buffer; returns whether there was one.
    fn received(&mut self, received: io::Result<()>) -> Result<bool, LinksError> {
        if let Err(error) = received {
            self.stale |= is_overrun(error)?;
            return Ok(false);
        }
        let now_ns = clock_monotonic_ns();
        for message in messages(&self.buffer) {
            let (kind, payload) = (message.message_type(), message.payload());
            if i32::from(kind) == libc::NLMSG_ERROR {
                if u32_at(payload, 0) == Some(0) {
                    self.passed = message.sequence_number();
                }
            } else if let Some(news) = decode::message(kind, payload, now_ns) {
                self.pending.extend(self.state.apply(news));
            }
        }
        Ok(true)
    }

    async fn resync(&mut self) -> Result<(), LinksError> {
        self.pace.wait().await;
        self.socket = subscribe(&GROUPS, RECEIVE_BUFFER_BYTES)?;
        self.pace.begin();
        let read = self.read().await;
        self.pace.end();
        match read {
            Ok(fresh) => {
                self.pending.extend(self.state.changes_to(&fresh));
                self.state = fresh;
                self.stale = false;
                self.resyncs += 1;
                Ok(())
            }
            // The bridge changed during the reading, in every attempt.
            Err(LinksError::Netlink(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reading may wait for the kernel's rtnl lock, and so runs on another thread.
    async fn read(&self) -> Result<BridgeState, LinksError> {
        let bridge = self.state.ifindex();
        Ok(self.links.spawn(move |netlink| read(netlink, bridge)).await??)
    }
}

/// Everything the kernel knows of one bridge; a bridge that does not exist has no settings.
pub(crate) fn read(netlink: &mut Netlink, bridge: u32) -> io::Result<BridgeState> {
    let mut state = BridgeState::new(bridge);
    let mut apply = |answers: Answers| {
        let now_ns = clock_monotonic_ns();
        for (kind, payload) in answers {
            if let Some(message) = decode::message(kind, &payload, now_ns) {
                state.apply(message);
            }
        }
    };
    let without_statistics = |request: Request| {
        request.number(libc::IFLA_EXT_MASK, libc::RTEXT_FILTER_SKIP_STATS as u32)
    };
    // An interface's header, with the filter that the kernel applies.
    let members = |kind: u16, family: libc::c_int| {
        let mut fixed = [0; 16];
        fixed[0] = family as u8;
        Request::new(kind, &fixed).number(libc::IFLA_MASTER, bridge)
    };
    let itself = Request::about_link(libc::RTM_GETLINK, bridge);
    match netlink.call(&without_statistics(itself)) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(state),
        answers => apply(answers?),
    }
    let ports = members(libc::RTM_GETLINK, libc::AF_UNSPEC);
    apply(netlink.dump(&without_statistics(ports))?);
    let mut all_bridges = [0; 8];
    all_bridges[0] = libc::AF_BRIDGE as u8;
    match netlink.dump(&Request::new(RTM_GETVLAN, &all_bridges)) {
        // A kernel may have been built without VLANs.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        answers => apply(answers?),
    }
    apply(netlink.dump(&members(libc::RTM_GETNEIGH, libc::AF_BRIDGE))?);
    Ok(state)
}
