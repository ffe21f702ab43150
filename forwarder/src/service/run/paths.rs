//! Reads the express paths to the ports. Invariant: the forwarder is not locked during requests to the
//! kernel.

use tokio::sync::Mutex;

use crate::host::links::{Changed, Watch};
use crate::service::forwarder::Forwarder;

/// Reads the paths that may have changed, and those that are not known yet.
pub(super) async fn read_changed(
    forwarder: &Mutex<Forwarder>,
    watch: &mut Watch,
    changed: &Changed,
) {
    let ports = forwarder.lock().await.paths_to_read(changed);
    if ports.is_empty() {
        return;
    }
    let found = watch.look(&ports).await;
    forwarder.lock().await.set_paths(&ports, found);
}
