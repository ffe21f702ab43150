//! weir's own pairs of devices, which weir leaves for its successor; a bed has none and removes them.
//!
//! Invariant: a namespace is removed only if it belongs to a pair of this bed, or has no pair in it any
//! more.

use crate::Ns;
use nix::mount::{MntFlags, umount2};
use std::fs;
use std::path::Path;

/// Where weir keeps the namespaces of the inner ends.
pub(crate) const FOLDER: &str = "/run/weir/netns";

/// Removes the pairs whose outer end is in this namespace.
pub(super) fn remove_of(host: &Ns) {
    let Ok(counters) = host.counters() else { return };
    for name in counters.keys().filter_map(|name| name.strip_prefix("w0-")) {
        remove(&Path::new(FOLDER).join(format!("w1-{name}")));
    }
}

/// Removes what is left of the pairs whose test was killed.
pub(super) fn remove_stale() {
    let Ok(entries) = fs::read_dir(FOLDER) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("w1-") && !holds(&entry.path(), &name) {
            remove(&entry.path());
        }
    }
}

/// Whether the namespace has an interface of this name; assumed if it cannot be examined.
fn holds(namespace: &Path, name: &str) -> bool {
    std::thread::scope(|scope| {
        let look = scope.spawn(|| {
            Ns::enter(namespace)?;
            Ok::<_, anyhow::Error>(fs::read_to_string("/proc/thread-self/net/dev")?)
        });
        look.join().ok().and_then(Result::ok).is_none_or(|text| text.contains(name))
    })
}

pub(crate) fn remove(mount: &Path) {
    // It may be unmounted already, or gone: nothing to do.
    let _ = umount2(mount, MntFlags::MNT_DETACH);
    let _ = fs::remove_file(mount);
}
