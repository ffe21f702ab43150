//! Watches packets for a client of the control socket: captures their bytes, or traces single packets.
//!
//! - [`query`]: the client's query
//! - [`slot`]: one session at a time, and how it ends
//! - [`session`]: passes events from the workers and the program to the client
//! - [`merge`]: the events of workers and program in one order
//! - [`pcapng`]: a capture's file; [`assemble`]: a trace's lines; [`summary`]: a packet's addresses in words
//!
//! Invariant: a client that is slow or gone costs events, which are counted, and never a frame.

mod assemble;
mod merge;
mod pcapng;
pub mod query;
mod session;
pub mod slot;
mod summary;

use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{Mutex, mpsc};
use weir_abi::{Counter, watch::bit};
use weir_api::{Refused, StatusCode};
use weir_core::{PortId, PortSet};
use weir_port::reason_of;

use self::query::Kind;
pub use self::query::WatchQuery;
use self::session::Session;
pub use self::session::WatchStarted;
use self::slot::WatchSlot;
use crate::worker::{NoAnswer, Points, WatchSpec};

/// A client's answer, part by part; dropping it ends the session.
#[derive(Debug)]
pub struct WatchStream {
    /// The number by which the session can be ended.
    pub id: u64,
    pub parts: mpsc::Receiver<Bytes>,
}

/// The part of the forwarder that watching packets needs.
pub trait Watchable: Send + 'static {
    /// The ports, by slot and name.
    fn port_names(&self) -> Vec<(PortId, String)>;

    /// Begins to watch; the program reports the `outcomes`.
    fn watch(
        &mut self,
        spec: WatchSpec,
        outcomes: u64,
    ) -> impl Future<Output = Result<WatchStarted, NoAnswer>> + Send;

    fn unwatch(&mut self) -> impl Future<Output = ()> + Send;

    /// Per port, the frames that the program could not report, in total.
    fn unsteered_missed(&self) -> Vec<u64>;
}

/// Begins to watch, on behalf of `who`.
pub async fn begin<F: Watchable>(
    forwarder: Arc<Mutex<F>>,
    slot: Arc<WatchSlot>,
    query: WatchQuery,
    who: &str,
) -> Result<WatchStream, Refused> {
    let claim = slot.claim(&query, who)?;
    let id = claim.id;
    let mut locked = forwarder.lock().await;
    let ports = ports_of(&query, &locked.port_names())?;
    let spec = query.spec(ports);
    let outcomes = outcomes(&query);
    let began = locked.watch(spec, outcomes).await.map_err(Refused::unavailable)?;
    let (session, parts) = Session::new(Arc::clone(&forwarder), claim, query, spec, began);
    tokio::spawn(session.run());
    Ok(WatchStream { id, parts })
}

/// The slots of the named ports; without names, of all.
fn ports_of(query: &WatchQuery, names: &[(PortId, String)]) -> Result<Option<PortSet>, Refused> {
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
fn outcomes(query: &WatchQuery) -> u64 {
    let points = match query.kind {
        Kind::Capture => query.direction.points(),
        Kind::Trace => Points { arrival: true, ..Points::default() },
    };
    Counter::all()
        .filter(|outcome| *outcome != Counter::Steered)
        .filter(|outcome| points.arrival || points.loss && reason_of(*outcome).is_some())
        .fold(0, |outcomes, outcome| outcomes | bit(outcome))
}

#[cfg(test)]
mod tests;
