//! Changes of weir's own pair while weir runs.
//!
//! Invariant: frames that the gate sends to a broken pair vanish, so weir ends, in an orderly way, and
//! leaves the ports to the bridge; the next start makes the pair again.

use anyhow::{Context as _, bail};
use tokio::sync::Mutex;

use crate::host::pair::{End, PairEvent, PairWatch};
use crate::service::forwarder::Forwarder;

/// Looks at the pair, and carries out what has happened to it; an error ends weir.
pub(super) async fn look(pair: &mut PairWatch, forwarder: &Mutex<Forwarder>) -> anyhow::Result<()> {
    let events = pair.look().await.context("weir's own pair cannot be followed any more")?;
    for event in events {
        apply(event, forwarder).await?;
    }
    Ok(())
}

async fn apply(event: PairEvent, forwarder: &Mutex<Forwarder>) -> anyhow::Result<()> {
    let (end, what) = match event {
        PairEvent::Gone(end) => (end, "is gone"),
        PairEvent::Down(end) => (end, "was set down"),
        PairEvent::Mtu { end, mtu } => {
            tracing::warn!(
                mtu,
                "the MTU of {} of weir's own pair was changed from outside; start weir again to set it back",
                name(end)
            );
            return Ok(());
        }
        PairEvent::NotKept => {
            tracing::warn!(
                "the mount of weir's own network namespace was taken away: the pair in it ends \
                 with weir, and the next start makes another"
            );
            return Ok(());
        }
        PairEvent::Kept => {
            tracing::info!("weir's own network namespace is mounted again");
            return Ok(());
        }
    };
    forwarder.lock().await.abandon_pair().await;
    bail!(
        "{} of weir's own pair of devices {what}: nothing reaches the workers any more, and the ports \
         are left to the bridge; start weir again, which makes a new pair",
        name(end)
    )
}

const fn name(end: End) -> &'static str {
    match end {
        End::Outer => "the outer end (w0-…)",
        End::Inner => "the inner end (w1-…)",
    }
}
