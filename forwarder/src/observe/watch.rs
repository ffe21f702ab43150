//! Watching packets for a client of the control socket: a capture of their bytes, or the ways of
//! single ones.
//!
//! - [`wanted`]: what to watch, as a query says it
//! - [`desk`]: one watcher at a time, and how it is ended
//! - [`session`]: from the workers and the program to the client
//! - [`seen`]: what all of them saw, in order; [`pcapng`], [`story`], [`summary`]: how it is told
//!
//! Invariant: a client that is slow or gone costs events, which are counted, and never a frame.

pub mod desk;
mod pcapng;
mod seen;
mod session;
mod story;
mod summary;
pub mod wanted;

use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{Mutex, mpsc};
use weir_abi::{Counter, watch::bit};
use weir_api::{Refusal, Refused};
use weir_core::{PortId, PortSet};
use weir_port::reason_of;

use self::desk::Desk;
pub use self::session::Began;
use self::session::Session;
use self::wanted::Kind;
pub use self::wanted::Wanted;
use crate::worker::{NoAnswer, Points, WatchSpec};

/// What a client gets, part by part; dropping it ends the watching.
#[derive(Debug)]
pub struct Watching {
    /// To end it by.
    pub id: u64,
    pub parts: mpsc::Receiver<Bytes>,
}

/// The forwarder, as far as it is needed to watch packets.
pub trait Watchable: Send + 'static {
    /// The ports and their places.
    fn port_names(&self) -> Vec<(PortId, String)>;

    /// Begins to watch; `outcomes` are those that the program is to tell.
    fn watch(
        &mut self,
        spec: WatchSpec,
        outcomes: u64,
    ) -> impl Future<Output = Result<Began, NoAnswer>> + Send;

    fn unwatch(&mut self) -> impl Future<Output = ()> + Send;

    /// What the program could not tell, by port, ever.
    fn untold(&self) -> Vec<u64>;
}

/// Begins to watch, for `who`.
pub async fn begin<F: Watchable>(
    forwarder: Arc<Mutex<F>>,
    desk: Arc<Desk>,
    wanted: Wanted,
    who: &str,
) -> Result<Watching, Refused> {
    let claim = desk.claim(&wanted, who)?;
    let id = claim.id();
    let mut locked = forwarder.lock().await;
    let ports = ports_of(&wanted, &locked.port_names())?;
    let spec = wanted.spec(ports);
    let outcomes = outcomes(&wanted);
    let began = locked.watch(spec, outcomes).await.map_err(Refused::unavailable)?;
    drop(locked);
    let (session, parts) = Session::new(Arc::clone(&forwarder), claim, wanted, spec, began);
    tokio::spawn(session.run());
    Ok(Watching { id, parts })
}

/// The places of the ports that are named; none: all.
fn ports_of(wanted: &Wanted, names: &[(PortId, String)]) -> Result<Option<PortSet>, Refused> {
    if wanted.ports.is_empty() {
        return Ok(None);
    }
    let mut ports = PortSet::EMPTY;
    for name in &wanted.ports {
        let Some((port, _)) = names.iter().find(|(_, known)| known == name) else {
            let known: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
            let error = format!("there is no port {name}; valid: {}", known.join(", "));
            return Err(Refused::new(Refusal::Unknown, error));
        };
        ports.insert(*port);
    }
    Ok(Some(ports))
}

/// What the program is to tell.
fn outcomes(wanted: &Wanted) -> u64 {
    let points = match wanted.kind {
        Kind::Capture => wanted.direction.points(),
        Kind::Trace => Points { arrival: true, ..Points::default() },
    };
    Counter::all()
        .filter(|outcome| *outcome != Counter::Steered)
        .filter(|outcome| points.arrival || points.loss && reason_of(*outcome).is_some())
        .fold(0, |outcomes, outcome| outcomes | bit(outcome))
}

#[cfg(test)]
mod tests;
