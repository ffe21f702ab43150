//! The record of changed settings, in a file beside the control socket, so that they are restored even
//! after kill -9. Invariant: a change is in the file before it is made, with the value from before weir
//! ever touched it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::netns::NetnsId;

const VERSION: u32 = 1;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The setting that was changed, and its earlier value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "setting", rename_all = "snake_case")]
pub enum Before {
    /// An offload by its ethtool name, and whether it was on.
    Feature { feature: String, on: bool },
    /// There was no qdisc (noqueue), and weir 1 added one: only read. The kernel set an empty tx_queue_len
    /// at that, which is restored as well.
    NoQdisc { tx_queue_len: u32 },
    /// The kernel's grace periods were not expedited. This is no interface's.
    GracePeriods,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub netns: NetnsId,
    pub ifindex: u32,
    pub name: String,
    /// The port for which it was made: the interface itself, or the near end of the veth.
    pub port: u32,
    #[serde(flatten)]
    pub before: Before,
}

impl Change {
    /// The interface and its setting: a feature, or the qdisc.
    fn setting(&self) -> (NetnsId, u32, Option<&str>) {
        let feature = match &self.before {
            Before::Feature { feature, .. } => Some(feature.as_str()),
            Before::NoQdisc { .. } | Before::GracePeriods => None,
        };
        (self.netns, self.ifindex, feature)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    /// Namespace inodes and interface indices mean nothing after a restart of the host.
    boot_id: String,
    changes: Vec<Change>,
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("cannot write {}, without which settings could not be put back: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error(
        "{} is not a state file of this version of weir ({error}); if no older weir needs it \
         to put settings back, remove it", path.display()
    )]
    Malformed { path: PathBuf, error: String },
}

/// The changes that have not been undone yet, in memory and on disk.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    changes: Vec<Change>,
}

impl StateFile {
    /// `<control socket>.state`
    pub fn path_for(control: &Path) -> PathBuf {
        control.with_added_extension("state")
    }

    /// Opens the file of that control socket, with the entries that an earlier run left in it.
    pub fn open(control: &Path) -> Result<Self, StateError> {
        let path = Self::path_for(control);
        let changes = match fs::read_to_string(&path) {
            Ok(text) => parse(&text, &boot_id())
                .map_err(|error| StateError::Malformed { path: path.clone(), error })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StateError::Read { path, error }),
        };
        Ok(Self { path, changes })
    }

    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Records a change that is about to be made. An existing entry stays: it holds the original value.
    pub fn record(&mut self, change: Change) -> Result<(), StateError> {
        if self.changes.iter().any(|known| known.setting() == change.setting()) {
            return Ok(());
        }
        self.changes.push(change);
        self.save().inspect_err(|_| {
            self.changes.pop();
        })
    }

    /// Forgets the changes for which `gone` holds. The file is removed when none is left, and also if
    /// it holds nothing of this boot.
    pub fn forget(&mut self, gone: impl Fn(&Change) -> bool) -> Result<(), StateError> {
        let before = self.changes.len();
        self.changes.retain(|change| !gone(change));
        let is_right = before > 0 || !self.path.exists();
        if self.changes.len() == before && is_right { Ok(()) } else { self.save() }
    }

    /// An interface has a new name.
    pub fn rename(&mut self, netns: NetnsId, ifindex: u32, name: &str) -> Result<(), StateError> {
        let mut touched = false;
        for change in &mut self.changes {
            if (change.netns, change.ifindex) == (netns, ifindex) && change.name != name {
                name.clone_into(&mut change.name);
                touched = true;
            }
        }
        if touched { self.save() } else { Ok(()) }
    }

    fn save(&self) -> Result<(), StateError> {
        self.write().map_err(|error| StateError::Write { path: self.path.clone(), error })
    }

    fn write(&self) -> io::Result<()> {
        // The file that is written first and then renamed; a killed writer may have left it.
        let aside = self.path.with_added_extension("new");
        remove(&aside)?;
        if self.changes.is_empty() {
            return remove(&self.path);
        }
        let document =
            Document { version: VERSION, boot_id: boot_id(), changes: self.changes.clone() };
        let mut text = serde_json::to_vec_pretty(&document)?;
        text.push(b'\n');
        // Created exclusively, so that no file of another process is overwritten.
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        // The file is not synced to disk: the settings themselves do not outlive the kernel either.
        file.write_all(&text)?;
        fs::rename(&aside, &self.path)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
}

fn parse(text: &str, boot_id: &str) -> Result<Vec<Change>, String> {
    let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if document.version != VERSION {
        return Err(format!("version {} instead of {VERSION}", document.version));
    }
    Ok(if document.boot_id == boot_id { document.changes } else { Vec::new() })
}

#[cfg(test)]
mod tests;
