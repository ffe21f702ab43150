//! Stores cells and results: below target/experiments a folder of cells for each experiment and effort,
//! and beside it one file with the results once all its cells are there.
//!
//! Invariant: a file exists as a whole or not at all; a stored cell is found only by a run that would
//! measure the same thing with the same weir on the same machine.

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{Machine, Results};
use crate::cell::{Cell, Measured};
use crate::spec::{Peer, Scaled};

/// The version of cells' and results' files; files of another version are not read.
pub(super) const VERSION: u32 = 1;

/// Cells stored at a scale that differs by this part are not measured again: two measurements of one
/// machine may differ as much.
const NEAR: f64 = 0.1;

/// A cell's file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// A fingerprint of everything that decides what is measured, and of the file's version.
    stamp: String,
    measured: Measured,
}

/// The cells of one experiment at one effort.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// The weir and the machine.
    here: String,
}

impl Store {
    pub(super) fn new(
        results: &Path,
        id: &str,
        quick: bool,
        machine: &Machine,
        weir: &str,
    ) -> Self {
        let here = format!("{weir} {} {} {}", machine.kernel, machine.cpu, machine.cores);
        // Beside the file of results.
        Self { folder: results_file(results, id, quick).with_extension(""), here }
    }

    fn path(&self, cell: &Cell) -> PathBuf {
        self.folder.join(format!("{}.json", cell.place.key()))
    }

    /// All that a player gets: a changed check, figure or title does not invalidate cells.
    fn stamp(&self, cell: &Cell) -> String {
        let other = cell.peer.binary.as_deref().map(|path| fingerprint(path).unwrap_or_default());
        let peer = Peer { title: None, ..cell.peer.clone() };
        let peer = (other, peer);
        digest(format!("{VERSION} {} {peer:?} {:?}", self.here, cell.scene).as_bytes())
    }

    /// The scale to continue at: that of the stored cells if it is near the wanted one, or that is unknown.
    pub(super) fn settle(&self, wanted: Option<Scaled>, again: bool) -> Result<Option<Scaled>> {
        let path = self.folder.join("scale.json");
        let kept = fs::read(&path).ok();
        let kept: Option<Scaled> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let near = |kept: &Scaled| {
            let off = |wanted: Scaled| (kept.factor - wanted.factor).abs() / wanted.factor;
            wanted.is_none_or(|wanted| !again && off(wanted) <= NEAR)
        };
        if let Some(kept) = kept.filter(near) {
            return Ok(Some(kept));
        }
        if let Some(wanted) = &wanted {
            write_whole(&path, &serde_json::to_vec(wanted)?)?;
        }
        Ok(wanted)
    }

    /// The stored measurement of this very cell.
    pub(super) fn find(&self, cell: &Cell) -> Option<Measured> {
        // An unreadable file is measured again.
        let kept: Kept = serde_json::from_slice(&fs::read(self.path(cell)).ok()?).ok()?;
        (kept.stamp == self.stamp(cell)).then_some(kept.measured)
    }

    pub(super) fn keep(&self, cell: &Cell, measured: &Measured) -> Result<()> {
        let kept = Kept { stamp: self.stamp(cell), measured: measured.clone() };
        write_whole(&self.path(cell), &serde_json::to_vec(&kept)?)
    }

    /// Forgets the stored measurement, which is outdated.
    pub(super) fn forget(&self, cell: &Cell) -> Result<()> {
        let path = self.path(cell);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .with_context(|| format!("cannot remove {}", path.display()))
    }
}

/// The file of an experiment's results.
fn results_file(folder: &Path, id: &str, quick: bool) -> PathBuf {
    folder.join(if quick { format!("{id}.quick.json") } else { format!("{id}.json") })
}

/// Returns the file.
pub(super) fn write_results(folder: &Path, results: &Results) -> Result<PathBuf> {
    let file = results_file(folder, &results.id, results.quick);
    write_whole(&file, &serde_json::to_vec(results)?)?;
    Ok(file)
}

/// The stored results of an experiment: whole ones before quick ones.
pub fn kept(results: &Path, id: &str) -> Result<Option<Results>> {
    for quick in [false, true] {
        let file = results_file(results, id, quick);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).context(format!("cannot read {}", file.display())),
        };
        let found: Results = serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is not a file of results: remove it, or run {id} again", file.display())
        })?;
        ensure!(
            found.version == VERSION,
            "{} is of another version of weir-lab: remove it, or run {id} again",
            file.display()
        );
        return Ok(Some(found));
    }
    Ok(None)
}

/// Readable for all users, since root measures.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> Result<()> {
        let folder = path.parent().context("no folder")?;
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Allows only one run at a time, since two would disturb each other; held until it is dropped.
pub(super) fn lock(results: &Path) -> Result<File> {
    fs::create_dir_all(results).with_context(|| format!("cannot make {}", results.display()))?;
    let path = results.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!("another run of experiments is going on; two would measure each other")
        }
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The fingerprint of a program, to tell it from another build.
pub(super) fn fingerprint(program: &Path) -> Result<String> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    Ok(digest(&bytes))
}

/// Not cryptographic: only to notice a change.
fn digest(bytes: &[u8]) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests;
