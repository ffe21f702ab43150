//! Logs whether the workers answer. Invariant: a worker that stops answering is logged once, and so is
//! one that answers again.

use weir_port::XskPort;

use crate::worker::{Asker, NoAnswer};

#[derive(Debug)]
pub(super) struct WorkerMonitor {
    /// Each with whether it was late the last time.
    workers: Vec<(Asker<XskPort>, bool)>,
}

impl WorkerMonitor {
    pub(super) fn of(askers: Vec<Asker<XskPort>>) -> Self {
        Self { workers: askers.into_iter().map(|asker| (asker, false)).collect() }
    }

    pub(super) async fn check(&mut self) {
        for (asker, was_late) in &mut self.workers {
            let answer = asker.ping().await;
            let late = matches!(answer, Err(NoAnswer::Late { .. }));
            match answer {
                Err(error) if late && !*was_late => {
                    tracing::error!("{error}: the fallback of its ports applies");
                }
                Ok(()) if *was_late => {
                    tracing::warn!("the worker on core {} answers again", asker.core());
                }
                _ => {}
            }
            *was_late = late;
        }
    }
}
