//! The start of a forwarder, up to the moment in which it is ready. Invariant: what an earlier weir
//! left goes on until everything is in its place.

use crate::host::bridge::watch::BridgeWatch;
use crate::host::links::{Changed, Watch};
use crate::service::forwarder::Forwarder;

pub(super) async fn begin(
    forwarder: &mut Forwarder,
    watch: &mut Watch,
    bridge: &BridgeWatch,
) -> anyhow::Result<()> {
    forwarder.open_gate().await?;
    if let Err((port, error)) = forwarder.take_in_all(watch.snapshot()).await {
        return Err(error.context(format!("port `{}`", port.name)));
    }
    forwarder.look_for_foreign_rules(bridge.state()).await;
    forwarder.mirror(bridge.state());
    if forwarder.has_gates_to_adopt() {
        // The old gates hand frames over; the new ones must do so from their first frame on.
        let ports = forwarder.paths_to_read(&Changed::all());
        let found = watch.look(&ports).await;
        forwarder.set_paths(&ports, found);
    }
    forwarder.adopt_gates().await;
    Ok(())
}
