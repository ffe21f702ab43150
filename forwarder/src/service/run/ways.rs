//! Looking at the ways to the ports.
//! Invariant: the forwarder is not locked while the kernel is asked.

use tokio::sync::Mutex;

use crate::host::links::{Heard, WayWatch};
use crate::service::forwarder::Forwarder;

/// Looks at the ports that something was heard of, and at those of which nothing is known yet.
pub(super) async fn look(forwarder: &Mutex<Forwarder>, ways: &mut WayWatch, heard: &Heard) {
    let ports = forwarder.lock().await.ways_to_look_at(heard);
    if ports.is_empty() {
        return;
    }
    let found = ways.look(ports.clone()).await;
    forwarder.lock().await.heed_ways(&ports, found);
}
