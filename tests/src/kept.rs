//! What weir keeps beyond its life: the links of its gates, and the namespace with the inner end of its
//! pair. Tests examine them, and a bed removes them with their network namespace.
//!
//! Invariant: only objects of a namespace of this process are removed, and pairs of which nothing is left
//! but their namespace.

use anyhow::{Context, Result};
use nix::mount::{MntFlags, umount2};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use weir_port::links::PinnedLink;

use crate::ns::{Ns, inside};

const FOLDER: &str = "/run/weir";
const LINKS: &str = "/run/weir/links";
const PAIRS: &str = "/run/weir/netns";

/// The folders of weirs that ran in the namespace at that path.
#[must_use]
pub fn folders(netns: &Path) -> Vec<PathBuf> {
    let Ok(netns) = fs::metadata(netns) else { return Vec::new() };
    let prefix = format!("{}-", netns.ino());
    let entries = fs::read_dir(LINKS).into_iter().flatten().flatten();
    let own = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    own.map(|entry| entry.path()).collect()
}

/// The links that are kept for a namespace, by interface index.
pub fn links(ns: &Ns) -> Result<BTreeMap<u32, PinnedLink>> {
    let mut links = BTreeMap::new();
    for folder in folders(&ns.path()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let ifindex = path.file_name().and_then(|name| name.to_str()).context("no name")?;
            links.insert(ifindex.parse()?, PinnedLink::open(&path)?);
        }
    }
    Ok(links)
}

/// Their ids.
pub fn ids(ns: &Ns) -> Result<BTreeMap<u32, u32>> {
    let id = |(ifindex, link): (u32, PinnedLink)| {
        Ok((ifindex, link.facts()?.context("not of a tcx program")?.id))
    };
    links(ns)?.into_iter().map(id).collect()
}

/// Whether anything is kept for it, even an empty folder.
pub fn is_any(ns: &Ns) -> bool {
    !folders(&ns.path()).is_empty()
}

/// Removes what killed weirs have left of a namespace that is about to go.
pub(crate) fn remove(netns: &Path) {
    let folders = folders(netns);
    if folders.is_empty() {
        return;
    }
    // Takes weir's lock, so that no weir makes its folder meanwhile.
    let Ok(lock) = File::open(FOLDER) else { return };
    let _ = lock.lock();
    for folder in folders {
        for link in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let _ = fs::remove_file(link.path());
        }
        let _ = fs::remove_dir(&folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((_, digest)) = name.split_once('-') {
            remove_pair(digest);
        }
    }
    for folder in [LINKS, PAIRS] {
        // The kernel puts files with a dot in their name into every bpffs.
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        if !entries.any(|entry| !entry.file_name().to_string_lossy().contains('.')) {
            let _ = umount2(folder, MntFlags::MNT_DETACH);
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Removes the pairs whose outer end is in this namespace: weir leaves them for its successor.
pub(crate) fn remove_pairs_of(host: &Ns) {
    let Ok(counters) = host.counters() else { return };
    counters.keys().filter_map(|name| name.strip_prefix("w0-")).for_each(remove_pair);
}

/// Removes what is left of the pairs whose test was killed.
pub(crate) fn remove_stale_pairs() {
    for entry in fs::read_dir(PAIRS).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(digest) = name.strip_prefix("w1-").filter(|_| !holds(&entry.path(), &name)) {
            remove_pair(digest);
        }
    }
}

/// Whether the namespace has an interface of this name; assumed if it cannot be examined.
fn holds(namespace: &Path, name: &str) -> bool {
    let devices = inside(namespace, || Ok(fs::read_to_string("/proc/thread-self/net/dev")?));
    devices.ok().is_none_or(|text| text.contains(name))
}

fn remove_pair(digest: &str) {
    let mount = Path::new(PAIRS).join(format!("w1-{digest}"));
    // It may be unmounted already, or gone: nothing to do.
    let _ = umount2(&mount, MntFlags::MNT_DETACH);
    let _ = fs::remove_file(mount);
}
