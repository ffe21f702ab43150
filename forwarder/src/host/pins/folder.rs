//! The folders of all weirs, and the links in them.
//!
//! Invariant: no function here needs a mount namespace: every path starts at the descriptor of the file
//! system's root, which was opened in the right one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use weir_port::links::PinnedLink;

use super::DIR;
use crate::host::mounts::{leave, lock, places, share};
use crate::host::pair::Identity;

/// The name of a weir's folder. A bpffs takes no dots.
pub(super) fn name_of(weir: Identity) -> String {
    format!("{}-{:08x}", weir.inode, weir.digest)
}

fn parse(name: &str) -> Option<Identity> {
    let (inode, digest) = name.split_once('-')?;
    let (inode, digest) = (inode.parse().ok()?, u32::from_str_radix(digest, 16).ok()?);
    Some(Identity { inode, digest }).filter(|weir| name_of(*weir) == name)
}

/// The longest time that a check whether a folder's weir is dead holds the folder's lock.
const LOOKED_AT: Duration = Duration::from_millis(500);

/// The root of the file system.
#[derive(Debug)]
pub(crate) struct Root(File);

impl Root {
    /// Mounts the file system, unless it is mounted, in the mount namespace of the calling thread.
    pub(super) fn make() -> io::Result<Self> {
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
    pub(crate) fn find() -> Option<Self> {
        let open = || Ok(if is_mounted()? { Some(Self(File::open(DIR)?)) } else { None });
        places().iter().filter(|place| place.lasting).find_map(|place| place.inside(open).ok()?)
    }

    /// Makes the folder and locks it. `None`: its weir runs.
    pub(super) fn claim(&self, weir: Identity) -> io::Result<Option<File>> {
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
    pub(crate) fn lock(&self, weir: Identity) -> io::Result<Option<File>> {
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

    pub(super) fn file(&self, weir: Identity, ifindex: u32) -> PathBuf {
        self.folder(weir).join(ifindex.to_string())
    }

    /// The weirs that have a folder.
    pub(crate) fn weirs(&self) -> Vec<Identity> {
        names(&self.path()).iter().filter_map(|name| parse(name)).collect()
    }

    /// The interfaces that have a link in a folder, by their index.
    pub(crate) fn links(&self, weir: Identity) -> Vec<u32> {
        names(&self.folder(weir)).iter().filter_map(|name| name.parse().ok()).collect()
    }

    pub(super) fn link(&self, weir: Identity, ifindex: u32) -> io::Result<PinnedLink> {
        PinnedLink::open(&self.file(weir, ifindex))
    }

    /// Detaches a gate, and removes the link's file; an absent file counts as success.
    pub(crate) fn remove(&self, weir: Identity, ifindex: u32) -> io::Result<()> {
        match self.link(weir, ifindex) {
            Ok(link) => link.detach()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        fs::remove_file(self.file(weir, ifindex))
    }

    /// Removes the links of a dead weir whose devices are gone, and the folder if it is then empty.
    pub(super) fn remove_dead(&self, weir: Identity) {
        for ifindex in self.links(weir) {
            let facts = self.link(weir, ifindex).and_then(|link| link.facts());
            if facts.is_ok_and(|facts| facts.is_none_or(|facts| facts.ifindex == 0)) {
                let _ = self.remove(weir, ifindex);
            }
        }
        // A folder that is not empty stays.
        let _ = fs::remove_dir(self.folder(weir));
    }

    /// Removes an empty folder, and unmounts the file system if that was the last one.
    pub(crate) fn leave(&self, weir: Identity) {
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
