//! Starts and ends captures and traces at the gate, at all workers and at the program.
//!
//! Invariant: while a capture or trace runs, every frame goes by a worker. At the start, the workers
//! watch before the program reports; at the end, the program is silenced first. So a start that is
//! given up half-way leaves nothing switched on.

use std::sync::PoisonError;

use weir_core::PortId;

use super::Forwarder;
use crate::observe::watch::{WatchStarted, Watchable};
use crate::worker::{NoAnswer, WatchSpec};

impl Watchable for Forwarder {
    fn port_names(&self) -> Vec<(PortId, String)> {
        self.roster.iter().map(|(name, entry)| (entry.id(), name.clone())).collect()
    }

    async fn watch(&mut self, spec: WatchSpec, outcomes: u64) -> Result<WatchStarted, NoAnswer> {
        let program = self.steering.unsteered.clone();
        // Discards what the last session left.
        program.lock().unwrap_or_else(PoisonError::into_inner).each(|_, _| {});
        let unsteered_missed = self.unsteered_missed();
        // Before the workers watch, so that they see every later frame.
        self.set_watched(true);
        let workers = match self.workers.watch(Some(spec)).await {
            Ok(workers) => workers,
            Err(error) => {
                self.set_watched(false);
                return Err(error);
            }
        };
        self.set_outcomes(outcomes, |port| spec.filter.takes_port(port));
        let names = self.port_names();
        Ok(WatchStarted { workers, program: Some(program), unsteered_missed, names })
    }

    async fn unwatch(&mut self) {
        self.set_outcomes(0, |_| false);
        if let Err(error) = self.workers.watch(None).await {
            tracing::debug!("{error}");
        }
        self.set_watched(false);
    }

    fn unsteered_missed(&self) -> Vec<u64> {
        self.steering.unsteered_missed().unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Vec::new()
        })
    }
}

impl Forwarder {
    /// Whether frames may bypass the workers.
    fn set_watched(&mut self, watched: bool) {
        self.gate.watched = watched;
        self.update_gate_ports();
    }

    fn set_outcomes(&mut self, outcomes: u64, chosen: impl Fn(PortId) -> bool) {
        if let Err(error) = self.steering.set_outcomes(outcomes, chosen) {
            tracing::warn!("what the program drops is not shown: {error}");
        }
    }
}
