//! Follows the pair: ends that are deleted, set down or given another MTU, and the loss of the mount.
//!
//! Invariant: the reported events lead from the initial state to the kernel's present one. [`changes`]
//! decides, and knows no kernel. A netlink socket in each end's own namespace watches it. A
//! notification only triggers a check, and a check also runs after every [`LOOK`], so that a lost
//! notification only delays the event.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::libc;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};
use tokio::runtime::Handle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::place::Kept;
use super::{Pair, PairError, devices};
use crate::host::links::Link;
use crate::host::netlink::{Netlink, is_overrun, messages, u32_at};
use crate::host::netns::Netns;

/// The interval of checks. The loss of a mount comes without a notification, too.
const LOOK: Duration = Duration::from_secs(1);

/// One end of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Outer,
    Inner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairEvent {
    /// Deleted, or moved to another namespace: nothing that is sent to the pair arrives any more. If
    /// the pair is deleted, both ends are reported.
    Gone(End),
    /// Nothing passes until it is up again.
    Down(End),
    Up(End),
    Mtu {
        end: End,
        mtu: u32,
    },
    /// The mount was taken away: the namespace ends with this process, and the next weir will
    /// not find the pair.
    NotKept,
    /// It was mounted again.
    Kept,
}

/// The watched state of an end; `None` if the end does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EndState {
    up: bool,
    mtu: u32,
}

impl From<&Link> for EndState {
    fn from(link: &Link) -> Self {
        Self { up: link.up, mtu: link.mtu }
    }
}

/// The pair at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    outer: Option<EndState>,
    inner: Option<EndState>,
    kept: bool,
}

/// The events between two moments.
fn changes(before: State, now: State) -> Vec<PairEvent> {
    let mut events = Vec::new();
    let ends = [(End::Outer, before.outer, now.outer), (End::Inner, before.inner, now.inner)];
    for (end, before, now) in ends {
        match (before, now) {
            (Some(_), None) => events.push(PairEvent::Gone(end)),
            (Some(before), Some(now)) => {
                if before.up != now.up {
                    let event = if now.up { PairEvent::Up } else { PairEvent::Down };
                    events.push(event(end));
                }
                if before.mtu != now.mtu {
                    events.push(PairEvent::Mtu { end, mtu: now.mtu });
                }
            }
            // An end that is gone does not come back under its index; a new pair has a new watch.
            (None, _) => {}
        }
    }
    match (before.kept, now.kept) {
        (true, false) => events.push(PairEvent::NotKept),
        (false, true) => events.push(PairEvent::Kept),
        _ => {}
    }
    events
}

/// One namespace's notifications, and the end that they are about.
struct LinkSocket {
    ifindex: u32,
    socket: TokioSocket,
}

impl LinkSocket {
    /// In the network namespace of the calling thread, polled by that runtime.
    fn open(ifindex: u32, runtime: &Handle) -> io::Result<Self> {
        let _entered = runtime.enter();
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_mut().bind(&SocketAddr::new(0, libc::RTMGRP_LINK as u32))?;
        Ok(Self { ifindex, socket })
    }

    /// Whether a message about this end arrived, or may have been lost.
    fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match ready!(self.socket.poll_recv_from_full(cx)) {
                Ok((datagram, _)) if concerns(&datagram, self.ifindex) => {
                    return Poll::Ready(Ok(()));
                }
                Ok(_) => {}
                Err(error) => {
                    if is_overrun(error)? {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

fn concerns(datagram: &[u8], ifindex: u32) -> bool {
    messages(datagram).any(|message| match message.kind {
        libc::RTM_NEWLINK | libc::RTM_DELLINK => u32_at(message.payload, 4) == Some(ifindex),
        _ => false,
    })
}

/// Reads the present state.
#[derive(Debug)]
struct PairReader {
    ends: [(Netlink, u32); 2],
    kept: Option<Arc<Kept>>,
}

impl PairReader {
    fn ask(&mut self) -> io::Result<State> {
        let [outer, inner] = &mut self.ends;
        let end = |(netlink, ifindex): &mut (Netlink, u32)| -> io::Result<_> {
            Ok(devices::get(netlink, *ifindex)?.as_ref().map(EndState::from))
        };
        let kept = self.kept.as_ref().is_some_and(|kept| kept.holds());
        Ok(State { outer: end(outer)?, inner: end(inner)?, kept })
    }
}

/// Made by [`Pair::watch`].
pub struct PairWatch {
    sockets: [LinkSocket; 2],
    reader: Arc<Mutex<PairReader>>,
    state: State,
    pending: VecDeque<PairEvent>,
    look: Interval,
    stale: bool,
    /// The sockets on the inner end live in this namespace.
    _netns: Arc<Netns>,
}

impl fmt::Debug for PairWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairWatch")
            .field("state", &self.state)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

impl PairWatch {
    pub(super) async fn open(pair: &Pair) -> io::Result<Self> {
        let (outer, inner) = (pair.outer.ifindex, pair.inner.ifindex);
        let (netns, kept) = (Arc::clone(&pair.netns), pair.kept.clone());
        // The state in which the pair was made: whatever happened since is the first event.
        let state = State {
            outer: Some(EndState { up: true, mtu: pair.outer.mtu }),
            inner: Some(EndState { up: true, mtu: pair.inner.mtu }),
            kept: kept.is_some(),
        };
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let open = |ifindex| -> io::Result<_> {
                Ok((LinkSocket::open(ifindex, &runtime)?, (Netlink::open()?, ifindex)))
            };
            let (outside, ask_outside) = open(outer)?;
            let (inside, ask_inside) = netns.enter(|| open(inner)).flatten()?;
            let reader = PairReader { ends: [ask_outside, ask_inside], kept };
            let _entered = runtime.enter();
            let mut look = interval(LOOK);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Ok(Self {
                sockets: [outside, inside],
                reader: Arc::new(Mutex::new(reader)),
                state,
                pending: VecDeque::new(),
                look,
                stale: true,
                _netns: netns,
            })
        })
        .await?
    }

    /// The next event. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Result<PairEvent, PairError> {
        self.wait().await.map_err(PairError::Watch)
    }

    async fn wait(&mut self) -> io::Result<PairEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            if !self.stale {
                poll_fn(|cx| self.poll_stale(cx)).await?;
                self.stale = true;
            }
            let reader = Arc::clone(&self.reader);
            // It may wait for the kernel's rtnl lock.
            let now = tokio::task::spawn_blocking(move || {
                reader.lock().unwrap_or_else(PoisonError::into_inner).ask()
            });
            let now = now.await??;
            self.stale = false;
            self.pending.extend(changes(self.state, now));
            self.state = now;
        }
    }

    fn poll_stale(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for socket in &mut self.sockets {
            if let Poll::Ready(changed) = socket.poll_changed(cx) {
                return Poll::Ready(changed);
            }
        }
        self.look.poll_tick(cx).map(|_| Ok(()))
    }
}

#[cfg(test)]
mod tests;
