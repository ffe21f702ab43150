//! How weir ends: the signals, the work under way when one comes, and the last numbers.
//!
//! Invariants: SIGINT, SIGTERM and SIGUSR2 take effect at any time, during any wait. Work under way then
//! is awaited for no longer than [`WORK_ENDS`]; after that it is abandoned where it waits, and the
//! forwarder's end undoes it. The exit code is about the forwarding; a failed dump is only logged.

use std::io;
use std::path::Path;
use std::pin::pin;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Duration, timeout};

use crate::observe::dump::files;
use crate::service::forwarder::FinalNumbers;
use weir_api::LedgerReport;

/// Longer than a worker may take to answer.
pub(super) const WORK_ENDS: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 3000 });

/// What to do with the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They are detached.
    Stop,
    /// They go on, for the next weir to adopt: a restart.
    HandOver,
}

/// The request to end. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct End(watch::Receiver<Option<Ending>>);

impl End {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut restart = signal(SignalKind::user_defined2())?;
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            let (signal, ending) = tokio::select! {
                _ = interrupt.recv() => ("SIGINT", Ending::Stop),
                _ = terminate.recv() => ("SIGTERM", Ending::Stop),
                _ = restart.recv() => ("SIGUSR2", Ending::HandOver),
            };
            tracing::info!("{signal}: letting what is under way arrive");
            let _ = tell.send(Some(ending));
            // Kept open, so that a later look finds the request as well.
            tell.closed().await;
        });
        Ok(Self(told))
    }

    /// Resolves when weir is to end.
    pub(super) async fn requested(&self) {
        if self.0.clone().wait_for(Option::is_some).await.is_err() {
            // The listening task has ended, because the runtime ends; so will this task.
            std::future::pending().await
        }
    }

    /// A stop, unless a restart was requested.
    pub(super) fn ending(&self) -> Ending {
        self.0.borrow().unwrap_or(Ending::Stop)
    }

    /// Runs `work` until it is done, or until the bounded wait after a request to end is over.
    pub(super) async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = self.requested() => {}
        }
        let done = timeout(WORK_ENDS, work).await;
        if done.is_err() {
            tracing::warn!(
                "what was under way has not ended within {WORK_ENDS:?}, and is given up"
            );
        }
        done.ok()
    }
}

pub(super) fn write_dumps(last: &FinalNumbers, folder: &Path) {
    let Some((latency, flows)) = &last.measured else { return };
    let wrong = files::write_last(folder, &last.stats, latency, flows);
    for wrong in &wrong {
        tracing::error!("not dumped: {wrong}");
    }
    if wrong.is_empty() {
        tracing::info!("dumped what was measured into {}", folder.display());
    }
}

pub(super) fn summary(ledger: &LedgerReport) -> String {
    let express = match ledger.express {
        0 => String::new(),
        express => format!(" ({express} by the express lane)"),
    };
    format!(
        "received {} + copies {} = delivered {}{express} + passed {} + lost {}{} + in flight {}{}",
        ledger.received,
        ledger.copies,
        ledger.delivered,
        ledger.passed,
        ledger.lost,
        reasons(ledger),
        ledger.in_flight,
        if ledger.balanced { "" } else { " (NOT balanced: please report it)" }
    )
}

/// ` (shed 3, shutdown 1)`; nothing if nothing was lost.
fn reasons(ledger: &LedgerReport) -> String {
    let each: Vec<String> =
        ledger.lost_by_reason.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) }
}

#[cfg(test)]
mod tests;
