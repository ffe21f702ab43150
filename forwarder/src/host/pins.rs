//! The links of the gates, pinned in a BPF file system, so that the gates outlive the process: one
//! folder for each weir, with a file for each port, named by interface index.
//!
//! ```text
//!   /run/weir/links/                   a bpffs, in the mount namespace of the host
//!     4026531840-37ac9e6c/             network namespace, and weir's identity in it (as in w0-37ac9e6c)
//!       7  12  13
//! ```
//!
//! Only links are kept. A link keeps its program, and the program its maps. The next weir loads its own
//! program and maps, and puts the program into the link when the maps are filled: so no version has to
//! understand the maps of another.
//!
//! Invariant: a running weir holds the lock on its folder. So a folder that can be locked belongs to a
//! dead weir, and its links may be adopted or removed.

mod folder;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{SchedClassifier, TcAttachType};

pub(super) use self::folder::Root;
use super::mounts::places;
use super::pair::Identity;

/// The parent of the folders.
pub const DIR: &str = "/run/weir/links";

#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    #[error(
        "another weir with this control socket runs in this network namespace (it holds the lock on \
         {path}): stop it first, or give this one another --control",
        path = path.display()
    )]
    InUse { path: PathBuf },
    /// Nothing is kept.
    #[error("{0}")]
    NotKept(String),
}

/// The file of a link. Dropping it detaches the gate and removes the file.
#[derive(Debug)]
pub struct Pin {
    root: Arc<Root>,
    weir: Identity,
    ifindex: u32,
    is_left: bool,
}

impl Pin {
    /// Leaves the gate attached, for the next weir.
    pub fn leave(mut self) {
        self.is_left = true;
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        if let Err(error) = self.root.remove(self.weir, self.ifindex) {
            tracing::warn!(
                ifindex = self.ifindex,
                "the gate may stay on it: {error}; `weir detach` removes it when weir has ended"
            );
        }
    }
}

/// The gate that a port already has.
#[derive(Debug)]
pub enum ExistingGate {
    Nothing,
    /// A dead weir left it; `program` is the kernel's id of its program.
    Left {
        link: FdLink,
        pin: Pin,
        program: u32,
    },
    /// Another weir serves the port.
    Served,
}

/// The folder of a weir that runs.
#[derive(Debug)]
pub struct Pins {
    root: Arc<Root>,
    weir: Identity,
    /// The open folder, which holds the lock.
    _locked: File,
}

impl Pins {
    /// Takes the folder of this weir, including what an earlier life of it has left there.
    pub fn claim(weir: Identity) -> Result<Self, PinsError> {
        let mut why = "no mount namespace that outlives weir may be entered".to_owned();
        for place in places().into_iter().filter(|place| place.lasting) {
            match place.inside(|| Root::make().and_then(|root| Ok((root.claim(weir)?, root)))) {
                Ok((Some(locked), root)) => {
                    return Ok(Self { root: Arc::new(root), weir, _locked: locked });
                }
                Ok((None, _)) => {
                    let path = Path::new(DIR).join(folder::name_of(weir));
                    return Err(PinsError::InUse { path });
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(PinsError::NotKept(why))
    }

    /// The gate that a dead weir of this network namespace has left on a port.
    pub fn find(&self, ifindex: u32, name: &str) -> ExistingGate {
        let own = self.root.file(self.weir, ifindex);
        if !own.exists() {
            let Some(other) = self.elsewhere(ifindex) else { return ExistingGate::Nothing };
            match self.root.lock(other) {
                Ok(Some(_locked)) => {
                    if let Err(error) = fs::rename(self.root.file(other, ifindex), &own) {
                        tracing::warn!(
                            port = name,
                            "a dead weir's gate cannot be adopted: {error}"
                        );
                        return ExistingGate::Nothing;
                    }
                }
                Ok(None) => return ExistingGate::Served,
                Err(_) => return ExistingGate::Nothing,
            }
        }
        // Dropping the pin detaches the gate if it is not adopted.
        let pin = self.pin(ifindex);
        match (self.usable(ifindex, name), PinnedLink::from_pin(&own)) {
            (Some(program), Ok(link)) => ExistingGate::Left { link: link.into(), pin, program },
            _ => ExistingGate::Nothing,
        }
    }

    fn pin(&self, ifindex: u32) -> Pin {
        Pin { root: Arc::clone(&self.root), weir: self.weir, ifindex, is_left: false }
    }

    /// The program of the link, if it is attached to this very interface: the kernel reuses indices.
    fn usable(&self, ifindex: u32, name: &str) -> Option<u32> {
        let link = self.root.link(self.weir, ifindex).ok()?;
        let facts = link.facts().ok()??;
        let (_, programs) = SchedClassifier::query_tcx(name, TcAttachType::Ingress).ok()?;
        let there = programs.iter().any(|program| program.id() == facts.program);
        (facts.is_ingress && facts.ifindex == ifindex && there).then_some(facts.program)
    }

    /// Another weir of this network namespace whose folder has a link of the port.
    fn elsewhere(&self, ifindex: u32) -> Option<Identity> {
        let of_here = |weir: &Identity| weir.inode == self.weir.inode && *weir != self.weir;
        let mut others = self.root.weirs().into_iter().filter(of_here);
        others.find(|weir| self.root.file(*weir, ifindex).exists())
    }

    /// Keeps a link beyond the life of this process.
    pub fn keep(&self, link: FdLink, ifindex: u32) -> io::Result<(FdLink, Pin)> {
        let path = self.root.file(self.weir, ifindex);
        // The entry there by now belongs to no port.
        self.root.remove(self.weir, ifindex)?;
        let link = link.pin(path).map_err(|error| io::Error::other(error.to_string()))?;
        Ok((link.into(), self.pin(ifindex)))
    }

    /// Detaches the gates of an earlier life, except those of these ports; returns the ports of the
    /// detached ones. Links whose device is gone are removed in the folders of all dead weirs,
    /// including those of network namespaces that no longer exist.
    pub fn sweep(&self, but: &BTreeSet<u32>) -> Vec<u32> {
        let surplus = self.root.links(self.weir).into_iter().filter(|at| !but.contains(at));
        let taken_off = surplus.filter(|at| self.root.remove(self.weir, *at).is_ok()).collect();
        for other in self.root.weirs().into_iter().filter(|weir| *weir != self.weir) {
            if let Ok(Some(_locked)) = self.root.lock(other) {
                self.root.remove_dead(other);
            }
        }
        taken_off
    }

    /// Detaches every gate that is kept, and gives up the folder: this weir ends.
    pub fn close(&self) {
        for ifindex in self.root.links(self.weir) {
            if let Err(error) = self.root.remove(self.weir, ifindex) {
                tracing::warn!(ifindex, "the gate may stay on it: {error}");
            }
        }
        self.root.leave(self.weir);
    }
}
