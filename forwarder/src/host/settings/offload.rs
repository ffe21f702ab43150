//! Offload features of an interface, here or at a veth's other end. Invariant: a feature is switched
//! only if it is known and differs from the wanted state. If the kernel does not grant a request, the
//! request is withdrawn. A replaced interface is left alone.

use std::io;

use nix::net::if_::if_nametoindex;
use weir_port::ethtool;

use super::SettingsError;
use crate::host::netns::{self, NetnsId};
use crate::host::state::{Change, StateFile};

/// Switches off what these changes of one interface of this thread's namespace name, recording each
/// first. Returns those that failed, with advice; `prefix` is the command that enters the namespace.
pub(super) fn switch_off(
    changes: &[Change],
    prefix: &str,
    state: &mut StateFile,
) -> Result<Vec<String>, SettingsError> {
    let mut refused = Vec::new();
    for change in changes {
        let Change { name, feature, .. } = change;
        // Drivers that do not support the request have no features to answer with.
        let known = ethtool::features(name).unwrap_or_else(|error| {
            tracing::debug!(%name, %error, "offload features cannot be read");
            Vec::new()
        });
        if !known.contains(&(feature.clone(), true)) {
            continue;
        }
        state.record(change.clone())?;
        match set_off(name, feature) {
            Ok(()) => tracing::debug!("{name}: {feature} off instead of on"),
            Err(reason) => {
                // The kernel notes the request even if it does not grant it.
                if ethtool::set_feature(name, feature, true).is_ok() {
                    state.forget(|recorded| recorded == change)?;
                }
                refused.push(format!(
                    "{feature} of {name} cannot be set off: {reason}; {prefix}ethtool -K {name} \
                     {feature} off"
                ));
            }
        }
    }
    Ok(refused)
}

fn set_off(name: &str, feature: &str) -> io::Result<()> {
    ethtool::set_feature(name, feature, false)?;
    // The kernel may accept the request and not grant it.
    if ethtool::features(name)?.contains(&(feature.to_owned(), false)) {
        return Ok(());
    }
    Err(io::Error::other("the kernel did not grant it"))
}

/// Undoes a recorded change, wherever its interface is now, and describes what was done. `own` is the
/// namespace of this thread.
pub(super) fn put_back(change: &Change, own: NetnsId) -> io::Result<String> {
    let Change { name, feature, on, .. } = change;
    let here = || {
        if if_nametoindex(name.as_str()) != Ok(change.ifindex) {
            return Ok(GONE.to_owned());
        }
        ethtool::set_feature(name, feature, *on)?;
        Ok(format!("{feature} is {} again", if *on { "on" } else { "off" }))
    };
    if change.netns == own {
        return here();
    }
    netns::by_identity(change.netns).map_or(Ok(GONE.to_owned()), |netns| netns.enter(here)?)
}

const GONE: &str = "it is gone, and what was changed with it";
