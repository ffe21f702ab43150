//! Reads the express paths to the ports. Invariant: the forwarder is not locked during requests to the
//! kernel.

use tokio::sync::Mutex;

use crate::host::links::{PathWatch, StalePaths};
use crate::service::forwarder::Forwarder;

/// Reads the paths that may have changed, and those that are not known yet.
pub(super) async fn read_stale(
    forwarder: &Mutex<Forwarder>,
    paths: &mut PathWatch,
    stale: &StalePaths,
) {
    let ports = forwarder.lock().await.paths_to_read(stale);
    if ports.is_empty() {
        return;
    }
    let found = paths.look(ports.clone()).await;
    forwarder.lock().await.set_paths(&ports, found);
}
