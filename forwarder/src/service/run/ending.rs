//! The signals, and what is under way when one says to end.
//!
//! Invariant: SIGINT, SIGTERM and SIGUSR2 are acted on at any time, whatever is waited for, and what is under
//! way then is waited for no longer than [`WORK_ENDS`]; what is not done by then is given up where it
//! waits, and undone by the forwarder's end.

use std::io;
use std::pin::pin;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Duration, timeout};

/// Longer than a worker may take to answer.
pub(super) const WORK_ENDS: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 3000 });

/// What is to become of the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They are taken off.
    Stop,
    /// They go on, for the next weir to adopt: a restart.
    HandOver,
}

/// The request to end. Cloning it shares it.
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
            // Kept, so that a later look finds it as well.
            tell.closed().await;
        });
        Ok(Self(told))
    }

    /// Resolves when weir is to end.
    pub(super) async fn requested(&self) {
        if self.0.clone().wait_for(Option::is_some).await.is_err() {
            // The task that listens has ended: so does the runtime, and this with it.
            std::future::pending().await
        }
    }

    /// A stop, if nothing else was asked for.
    pub(super) fn ending(&self) -> Ending {
        self.0.borrow().unwrap_or(Ending::Stop)
    }

    /// Carries `work` on until it is done, or until weir was to end and waited for it in vain.
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

#[cfg(test)]
mod tests;
