//! The bridge whose ports are served at the gate: found or made, and followed again after it was
//! deleted and came back.
//!
//! Invariant: the mirrored bridge is the one that the gate's ports are in. Without one, nothing is
//! mirrored, and all frames are left to the kernel.

use tokio::task::spawn_blocking;

use crate::host::bridge::make;
use crate::host::bridge::watch::BridgeWatch;
use crate::host::links::{Link, OWN_BRIDGE, Snapshot};
use crate::service::forwarder::{Bridge, Forwarder};
use weir_schema::Plan;

/// The bridge whose ports are served at the gate: the named one, or the one that all ports are in
/// already; otherwise weir's own, made now or found again.
pub(super) async fn bridge_for(
    plan: &Plan,
    links: &Snapshot,
    force: bool,
) -> anyhow::Result<Bridge> {
    let ports = plan.ports.iter().filter(|port| !port.of_bridge).map(|port| port.name.clone());
    let ports: Vec<String> = ports.collect();
    let of_all = || {
        let mut bridges = ports.iter().map(|name| links.by_name(name)?.bridge());
        let first = bridges.next()??;
        bridges.all(|bridge| bridge == Some(first)).then(|| links.get(first))?
    };
    let named = plan.bridge.as_deref().map(|name| links.by_name(name));
    let existing = named.unwrap_or_else(of_all);
    let own = |link: &Link| plan.bridge.is_none() && link.name == OWN_BRIDGE;
    if let Some(link) = existing.filter(|link| !own(link)) {
        return Ok(Bridge { ifindex: link.ifindex, own: false });
    }
    let made = spawn_blocking(move || make::make(&ports, force)).await??;
    let was = if made.adopted { "found again" } else { "made" };
    tracing::info!("bridge `{OWN_BRIDGE}` was {was}; it stays when weir ends");
    Ok(Bridge { ifindex: made.ifindex, own: true })
}

/// Follows the bridge that replaced the one that was followed, once it exists.
pub(super) async fn keep_up(forwarder: &mut Forwarder, links: &Snapshot, watch: &mut BridgeWatch) {
    if links.get(forwarder.gate.bridge.ifindex).is_some() {
        return;
    }
    let named = forwarder.plan.bridge.clone();
    if named.as_deref().is_some_and(|name| links.by_name(name).is_none()) {
        return;
    }
    if let Err(error) = take_up(forwarder, links, watch).await {
        // Tried again at each reading of the links.
        tracing::warn!("the bridge cannot be taken up again: {error:#}");
    }
}

async fn take_up(
    forwarder: &mut Forwarder,
    links: &Snapshot,
    watch: &mut BridgeWatch,
) -> anyhow::Result<()> {
    let bridge = bridge_for(&forwarder.plan, links, forwarder.force).await?;
    let followed = BridgeWatch::open(bridge.ifindex).await?;
    forwarder.gate.bridge = bridge;
    *watch = followed;
    tracing::info!(ifindex = bridge.ifindex, "the bridge is there again");
    Ok(())
}
