//! Stops at Ctrl-C: the signals that end a command, and the answers that last until then.

use std::{io, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, timeout};
use weir_api::Stream;

/// How long data under way may take after Ctrl-C.
const LAST_PARTS: Duration = Duration::from_secs(5);

/// Ctrl-C or SIGTERM.
#[derive(Debug)]
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(super) fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Passes each part of the answer to `take`, and `None` once a second, until the answer ends or a stop
/// is requested; data under way then still arrives.
pub(super) async fn follow(
    stream: &mut Stream,
    mut stop: Stop,
    mut take: impl FnMut(Option<&[u8]>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            part = stream.next() => match part? {
                Some(part) => take(Some(&part))?,
                None => return Ok(()),
            },
            _ = tick.tick() => take(None)?,
            () = stop.told() => break,
        }
    }
    // The answer may have just ended by itself; then there is nothing to end.
    let _ = stream.finish().await;
    let rest = async {
        while let Some(part) = stream.next().await? {
            take(Some(&part))?;
        }
        Ok(())
    };
    timeout(LAST_PARTS, rest).await.unwrap_or(Ok(()))
}
