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

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{SchedClassifier, TcAttachType};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use weir_port::links;

use super::mounts::{leave, lock, places, share};
use super::pair::Identity;

/// The parent of the folders.
pub const DIR: &str = "/run/weir/links";
/// The longest time that a check whether a folder's weir is dead holds the folder's lock.
const LOOKED_AT: Duration = Duration::from_millis(500);

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
                    let path = Path::new(DIR).join(name_of(weir));
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

    /// Detaches the gates of an earlier life but for those of these ports, and returns the others. Links
    /// whose device is gone are removed in the folders of all dead weirs, of any network namespace.
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

/// The root of the file system. Paths start at its descriptor, and so need no mount namespace.
#[derive(Debug)]
pub(super) struct Root(File);

impl Root {
    /// Mounts the file system, unless it is mounted, in the mount namespace of the calling thread.
    fn make() -> io::Result<Self> {
        let _locked = lock(true)?;
        fs::create_dir_all(DIR)?;
        if !is_mounted()? {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(Some("weir"), DIR, Some("bpf"), flags, Some("mode=0700"))?;
        }
        share(DIR)?;
        Ok(Self(File::open(DIR)?))
    }

    /// The file system that an earlier weir has mounted, if there is one.
    pub(super) fn find() -> Option<Self> {
        let open = || Ok(if is_mounted()? { Some(Self(File::open(DIR)?)) } else { None });
        places().iter().filter(|place| place.lasting).find_map(|place| place.inside(open).ok()?)
    }

    /// Makes the folder and locks it. `None`: its weir runs.
    fn claim(&self, weir: Identity) -> io::Result<Option<File>> {
        // The lock keeps other weirs from taking the folder, or the mount, for abandoned.
        let _locked = lock(true)?;
        match fs::create_dir(self.folder(weir)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let until = Instant::now() + LOOKED_AT;
        loop {
            let locked = self.lock(weir)?;
            if locked.is_some() || Instant::now() >= until {
                return Ok(locked);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Locks a folder. `None`: its weir runs.
    pub(super) fn lock(&self, weir: Identity) -> io::Result<Option<File>> {
        let file = File::open(self.folder(weir))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.0.as_raw_fd().to_string())
    }

    fn folder(&self, weir: Identity) -> PathBuf {
        self.path().join(name_of(weir))
    }

    fn file(&self, weir: Identity, ifindex: u32) -> PathBuf {
        self.folder(weir).join(ifindex.to_string())
    }

    /// The weirs that have a folder.
    pub(super) fn weirs(&self) -> Vec<Identity> {
        names(&self.path()).iter().filter_map(|name| parse(name)).collect()
    }

    /// The interfaces that have a link in a folder, by their index.
    pub(super) fn links(&self, weir: Identity) -> Vec<u32> {
        names(&self.folder(weir)).iter().filter_map(|name| name.parse().ok()).collect()
    }

    fn link(&self, weir: Identity, ifindex: u32) -> io::Result<links::PinnedLink> {
        links::PinnedLink::open(&self.file(weir, ifindex))
    }

    /// Detaches a gate, and removes the link's file; an absent file counts as success.
    pub(super) fn remove(&self, weir: Identity, ifindex: u32) -> io::Result<()> {
        match self.link(weir, ifindex) {
            Ok(link) => link.detach()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        fs::remove_file(self.file(weir, ifindex))
    }

    /// Removes the links of a dead weir whose devices are gone, and the folder if it is then empty.
    fn remove_dead(&self, weir: Identity) {
        for ifindex in self.links(weir) {
            let facts = self.link(weir, ifindex).and_then(|link| link.facts());
            if facts.is_ok_and(|facts| facts.is_none_or(|facts| facts.ifindex == 0)) {
                let _ = self.remove(weir, ifindex);
            }
        }
        // A folder that is not empty stays.
        let _ = fs::remove_dir(self.folder(weir));
    }

    /// Removes an empty folder; with the last one, unmounts the file system.
    pub(super) fn leave(&self, weir: Identity) {
        let _ = fs::remove_dir(self.folder(weir));
        for place in places().into_iter().filter(|place| place.lasting) {
            let left = place.inside(|| {
                let _locked = lock(false)?;
                if is_mounted()? {
                    leave(DIR);
                }
                Ok(())
            });
            if let Err(error) = left {
                tracing::debug!(%error, "the folder of the links stays");
            }
        }
    }
}

/// The name of a weir's folder. A bpffs takes no dots.
fn name_of(weir: Identity) -> String {
    format!("{}-{:08x}", weir.inode, weir.digest)
}

fn parse(name: &str) -> Option<Identity> {
    let (inode, digest) = name.split_once('-')?;
    let (inode, digest) = (inode.parse().ok()?, u32::from_str_radix(digest, 16).ok()?);
    Some(Identity { inode, digest }).filter(|weir| name_of(*weir) == name)
}

fn is_mounted() -> io::Result<bool> {
    match statfs(DIR) {
        Ok(found) => Ok(found.filesystem_type() == BPF_FS_MAGIC),
        Err(nix::errno::Errno::ENOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests;
