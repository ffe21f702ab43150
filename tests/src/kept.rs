//! What weir keeps beyond its life: the links of its gates, and the namespace of its pair. Tests
//! examine them, and a bed removes them with their network namespace.
//!
//! Invariant: only objects of a namespace of this process are removed.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use weir_port::links::PinnedLink;

use crate::Ns;
use crate::bed::pairs;

const FOLDER: &str = "/run/weir";
const LINKS: &str = "/run/weir/links";

/// The folders of weirs that ran in the namespace at that path.
#[must_use]
pub fn folders(netns: &Path) -> Vec<PathBuf> {
    let Ok(netns) = fs::metadata(netns) else { return Vec::new() };
    let prefix = format!("{}-", netns.ino());
    let entries = fs::read_dir(LINKS).into_iter().flatten().flatten();
    let own = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    own.map(|entry| entry.path()).collect()
}

/// The ids of the links that are kept for a namespace, by interface index.
pub fn ids(ns: &Ns) -> Result<BTreeMap<u32, u32>> {
    let mut ids = BTreeMap::new();
    for folder in folders(&ns.path()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let ifindex = path.file_name().and_then(|name| name.to_str()).context("no name")?;
            let facts = PinnedLink::open(&path)?.facts()?.context("not of a tcx program")?;
            ids.insert(ifindex.parse()?, facts.id);
        }
    }
    Ok(ids)
}

/// Whether anything is kept for it, even an empty folder.
#[must_use]
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
            pairs::remove(&Path::new(pairs::FOLDER).join(format!("w1-{digest}")));
        }
    }
    for folder in [LINKS, pairs::FOLDER] {
        // The kernel puts files with a dot in their name into every bpffs.
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        if !entries.any(|entry| !entry.file_name().to_string_lossy().contains('.')) {
            let _ = nix::mount::umount2(folder, nix::mount::MntFlags::MNT_DETACH);
            let _ = fs::remove_dir(folder);
        }
    }
}
