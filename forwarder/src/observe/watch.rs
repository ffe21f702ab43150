//! Watching packets for a client of the control socket: captures of bytes, or traces of single packets.
//!
//! - [`query`]: the client's query
//! - [`merge`]: the events of workers and program in one order
//! - [`pcapng`]: a capture's file; [`assemble`]: a trace's lines
//!
//! Invariants: a client that is slow or gone costs events, which are counted, and never a frame. One
//! session runs at a time; dropping its claim frees the slot, whatever the reason.

pub(crate) mod assemble;
pub(crate) mod merge;
pub(crate) mod pcapng;
pub mod query;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use tokio::sync::{Notify, mpsc, watch};
use weir_abi::{Counter, watch::bit};
use weir_api::{Refused, StatusCode};
use weir_core::{PortId, PortSet};
use weir_port::reason_of;

use self::query::Kind;
pub use self::query::WatchQuery;
use crate::worker::Points;

/// A client's answer, part by part; dropping it ends the session.
#[derive(Debug)]
pub struct WatchStream {
    /// The number by which the session can be ended.
    pub id: u64,
    pub parts: mpsc::Receiver<Bytes>,
}

/// The slots of the named ports; without names, of all.
pub(crate) fn ports_of(
    query: &WatchQuery,
    names: &[(PortId, String)],
) -> Result<Option<PortSet>, Refused> {
    if query.ports.is_empty() {
        return Ok(None);
    }
    let mut ports = PortSet::EMPTY;
    for name in &query.ports {
        let Some((port, _)) = names.iter().find(|(_, known)| known == name) else {
            let known: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
            let error = format!("there is no port {name}; valid: {}", known.join(", "));
            return Err(Refused::new(StatusCode::NOT_FOUND, error));
        };
        ports.insert(*port);
    }
    Ok(Some(ports))
}

/// The outcomes that the program is to report.
pub(crate) fn outcomes(query: &WatchQuery) -> u64 {
    let points = match query.kind {
        Kind::Capture => query.direction.points(),
        Kind::Trace => Points { arrival: true, ..Points::default() },
    };
    Counter::all()
        .filter(|outcome| *outcome != Counter::Steered)
        .filter(|outcome| points.arrival || points.loss && reason_of(*outcome).is_some())
        .fold(0, |outcomes, outcome| outcomes | bit(outcome))
}

#[derive(Debug)]
struct Running {
    id: u64,
    what: String,
    since: Instant,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    last_id: u64,
    closed: bool,
}

/// The one slot for a capture or a trace.
#[derive(Debug, Default)]
pub struct WatchSlot {
    state: Mutex<State>,
    /// Notified when a claim is dropped.
    free: Notify,
}

/// The right to watch.
#[derive(Debug)]
pub(crate) struct Claim {
    slot: Arc<WatchSlot>,
    pub(crate) id: u64,
    stop: watch::Receiver<bool>,
}

impl WatchSlot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn claim(self: &Arc<Self>, query: &WatchQuery, who: &str) -> Result<Claim, Refused> {
        let mut state = self.state();
        if state.closed {
            return Err(Refused::unavailable("weir is stopping"));
        }
        if let Some(running) = &state.running {
            let Running { what, since, .. } = running;
            let error = format!(
                "{what} has been watching for {} s, and one can at a time: end it first (Ctrl-C \
                 there, or DELETE on this path)",
                since.elapsed().as_secs()
            );
            return Err(Refused::new(StatusCode::CONFLICT, error));
        }
        state.last_id += 1;
        let id = state.last_id;
        let (stop, stopped) = watch::channel(false);
        let what = describe(query, who);
        state.running = Some(Running { id, what, since: Instant::now(), stop });
        Ok(Claim { slot: Arc::clone(self), id, stop: stopped })
    }

    /// Tells the session to end, if it has the given number; returns its description.
    pub fn end(&self, id: Option<u64>) -> Option<String> {
        let state = self.state();
        let running = state.running.as_ref()?;
        if id.is_some_and(|id| id != running.id) {
            return None;
        }
        let _ = running.stop.send(true);
        Some(running.what.clone())
    }

    /// The forwarder ends: no session begins any more. Returns when the running one has ended.
    pub async fn close(&self) {
        self.state().closed = true;
        self.end(None);
        loop {
            let freed = self.free.notified();
            if self.state().running.is_none() {
                return;
            }
            freed.await;
        }
    }
}

impl Claim {
    /// Resolves when the session is told to end.
    pub(crate) async fn stopped(&self) {
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.slot.state().running = None;
        self.slot.free.notify_one();
    }
}

fn describe(query: &WatchQuery, who: &str) -> String {
    let kind = match query.kind {
        Kind::Capture => "a capture",
        Kind::Trace => "a trace",
    };
    let of = if query.ports.is_empty() {
        String::new()
    } else {
        format!(" of {}", query.ports.join(", "))
    };
    format!("{kind}{of} ({who})")
}

#[cfg(test)]
mod tests;
