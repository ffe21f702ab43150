//! One capture or trace at a time: its owner, and how it is told to end.
//!
//! Invariant: dropping the claim frees the slot, whatever the reason.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use weir_api::{Refused, StatusCode};

use super::query::{Kind, WatchQuery};

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
    free: tokio::sync::Notify,
}

/// The right to watch.
#[derive(Debug)]
pub(super) struct Claim {
    slot: Arc<WatchSlot>,
    pub(super) id: u64,
    stop: watch::Receiver<bool>,
}

impl WatchSlot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn claim(self: &Arc<Self>, query: &WatchQuery, who: &str) -> Result<Claim, Refused> {
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
    pub(super) async fn stopped(&self) {
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
