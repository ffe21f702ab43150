//! Finds and removes what dead weirs left in this network namespace: gates, pairs of devices, settings.
//!
//! Invariant: nothing of a running weir is touched, except its gates if the caller asks for that.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::Context as _;

use super::netns::NetnsId;
use super::pair::{self, Identity};
use super::pins::Root;
use super::settings::HostSettings;
use super::state::StateFile;

/// A weir of this network namespace whose gates are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateOwner {
    weir: Identity,
    pub is_running: bool,
    /// The ports, by interface index.
    pub gates: BTreeSet<u32>,
}

/// The result of a removal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Gates, by interface index.
    pub gates: Vec<u32>,
    /// Pairs, by the name of the outer end.
    pub pairs: Vec<String>,
    /// Settings that were restored.
    pub settings: usize,
    /// Running weirs, which were left alone.
    pub refused: Vec<GateOwner>,
}

/// The weirs that keep gates in this network namespace, dead or alive.
pub fn gate_owners() -> io::Result<Vec<GateOwner>> {
    let inode = NetnsId::of_this_thread()?.inode;
    let Some(root) = Root::find() else { return Ok(Vec::new()) };
    let weirs = root.weirs().into_iter().filter(|weir| weir.inode == inode);
    let owner = |weir: Identity| GateOwner {
        weir,
        is_running: matches!(root.lock(weir), Ok(None)),
        gates: root.links(weir).into_iter().collect(),
    };
    Ok(weirs.map(owner).collect())
}

/// Removes what the weir with this control socket left and, unless `only`, what all others of this
/// network namespace left. With `force` it also removes the gates of running weirs.
pub fn remove(control: &Path, only: bool, force: bool) -> anyhow::Result<Removed> {
    const NAMESPACE: &str = "the network namespace cannot be told";
    let identity = Identity::new(control).context(NAMESPACE)?;
    let mut found = gate_owners().context(NAMESPACE)?;
    // A weir may run, or have run, without keeping anything.
    let listens = UnixStream::connect(control).is_ok();
    let is_own = |owner: &GateOwner| owner.weir == identity;
    match found.iter_mut().find(|owner| is_own(owner)) {
        Some(own) => own.is_running |= listens,
        None => {
            let gates = BTreeSet::new();
            found.push(GateOwner { weir: identity, is_running: listens, gates });
        }
    }
    let is_running = found.iter().any(|owner| is_own(owner) && owner.is_running);
    let mut removed = Removed::default();
    let root = Root::find();
    for owner in found.into_iter().filter(|owner| !only || is_own(owner)) {
        if owner.is_running && !force {
            removed.refused.push(owner);
            continue;
        }
        if let Some(root) = &root {
            for &ifindex in &owner.gates {
                root.remove(owner.weir, ifindex).with_context(|| {
                    format!("the gate of interface {ifindex} cannot be taken off")
                })?;
                removed.gates.push(ifindex);
            }
            if !owner.is_running {
                root.leave(owner.weir);
            }
        }
        if !owner.is_running && pair::remove_leftovers(&owner.weir)? {
            removed.pairs.push(owner.weir.outer_name());
        }
    }
    if !is_running {
        let changed = StateFile::open(control)?.changes().len();
        if changed > 0 {
            drop(HostSettings::open(control)?);
            removed.settings = changed - StateFile::open(control)?.changes().len().min(changed);
        }
    }
    Ok(removed)
}
