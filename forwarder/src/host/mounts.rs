//! Mount namespaces that hold what weir leaves beyond its process, even where weir runs in one of its own
//! (`ip netns exec`, a unit's sandbox).
//!
//! Invariant: only threads made for the purpose enter another mount namespace. The lock on [`LOCKED`] is
//! held during every mount and unmount.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use rustix::fs::{AtFlags, statat};

use super::netns::{Netns, NetnsId, on_own_thread};

/// The folder of everything that outlives weir.
const LOCKED: &str = "/run/weir";
/// The folder of the files on which network namespaces are mounted, one for each weir.
const NETNS_DIR: &str = "/run/weir/netns";
const OWN: &str = "/proc/thread-self/ns/mnt";
const NO_DATA: Option<&str> = None;

/// A mount namespace in which something may be kept.
#[derive(Debug)]
pub(super) struct Place {
    /// `None`: the mount namespace of this process.
    elsewhere: Option<File>,
    /// Whether it is known to outlast this process.
    pub(super) lasting: bool,
}

/// The candidates, the best first: the mount namespace of process 1 or, if that may not be entered, of
/// the topmost ancestor whose namespace may; last the own one.
pub(super) fn places() -> Vec<Place> {
    let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let own = fs::metadata(OWN).ok().map(id);
    let mut seen = BTreeSet::new();
    let mut places = Vec::new();
    for pid in std::iter::once(1).chain(ancestors().into_iter().rev()) {
        let Ok(file) = File::open(format!("/proc/{pid}/ns/mnt")) else { continue };
        let Ok(id) = file.metadata().map(id) else { continue };
        if seen.insert(id) {
            let elsewhere = (own != Some(id)).then_some(file);
            places.push(Place { elsewhere, lasting: true });
        }
    }
    if !places.iter().any(|place| place.elsewhere.is_none()) {
        places.push(Place { elsewhere: None, lasting: false });
    }
    places
}

/// The ancestors of this process, the parent first, without process 1.
fn ancestors() -> Vec<u32> {
    // A process that dies meanwhile ends the list; the bound ends a circle that a reused process id
    // could make.
    const MOST: usize = 64;
    let parent_of = |pid: &u32| parent_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?);
    let above = std::iter::successors(Some(std::os::unix::process::parent_id()), parent_of);
    above.take_while(|pid| *pid > 1).take(MOST).collect()
}

fn parent_in(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

impl Place {
    /// Runs `work` in the mount namespace.
    pub(super) fn inside<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let Some(namespace) = &self.elsewhere else { return work() };
        on_own_thread(|| {
            // A thread that shares its root and working directory may not change its mount namespace.
            unshare(CloneFlags::CLONE_FS)?;
            setns(namespace, CloneFlags::CLONE_NEWNS)?;
            work()
        })
    }

    /// The namespace that is mounted under this name, if one is.
    pub(super) fn find(&self, name: &str) -> io::Result<Option<(Netns, Kept)>> {
        self.inside(|| {
            let path = path_of(name);
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            // A restart of the host leaves a file with nothing mounted on it.
            if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
                return Ok(None);
            }
            let netns = Netns::from_file(file, &path)?;
            let kept = kept(name, &netns)?;
            Ok(Some((netns, kept)))
        })
    }

    /// Mounts the namespace.
    pub(super) fn keep(&self, name: &str, netns: &Netns) -> io::Result<Kept> {
        self.inside(|| {
            let _locked = lock(true)?;
            share(NETNS_DIR)?;
            let path = path_of(name);
            match OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                file => drop(file?),
            }
            let source = format!("/proc/thread-self/fd/{}", netns.file.as_raw_fd());
            mount(Some(source.as_str()), &path, NO_DATA, MsFlags::MS_BIND, NO_DATA)?;
            kept(name, netns)
        })
    }

    /// Unmounts the namespace and removes the file; returns whether there was one.
    pub(super) fn remove(&self, name: &str) -> io::Result<bool> {
        self.inside(|| {
            let path = path_of(name);
            if !path.exists() {
                return Ok(false);
            }
            let _locked = lock(false)?;
            // Repeated, in case the file was mounted more than once.
            loop {
                match umount2(&path, MntFlags::MNT_DETACH) {
                    Ok(()) => {}
                    Err(Errno::EINVAL | Errno::ENOENT) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            leave(NETNS_DIR);
            Ok(true)
        })
    }
}

/// The file of a network namespace as it was mounted, so that the loss of the mount shows.
#[derive(Debug)]
pub(super) struct Kept {
    dir: File,
    name: String,
    id: NetnsId,
}

impl Kept {
    /// Whether the namespace is still mounted there.
    pub(super) fn holds(&self) -> bool {
        statat(&self.dir, self.name.as_str(), AtFlags::empty())
            .is_ok_and(|found| (found.st_dev, found.st_ino) == (self.id.device, self.id.inode))
    }
}

pub(super) fn path_of(name: &str) -> PathBuf {
    Path::new(NETNS_DIR).join(name)
}

fn kept(name: &str, netns: &Netns) -> io::Result<Kept> {
    Ok(Kept { dir: File::open(NETNS_DIR)?, name: name.to_owned(), id: netns.id })
}

/// The lock that is held while mounts change, so that no weir removes the folder under another.
pub(super) fn lock(make: bool) -> io::Result<File> {
    if make {
        fs::create_dir_all(LOCKED)?;
    }
    let dir = File::open(LOCKED)?;
    dir.lock()?;
    Ok(dir)
}

/// Makes the folder, and a shared mount of it: a later copy of this mount namespace gives the mount up when
/// it is unmounted here.
pub(super) fn share(dir: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let shared = || mount(NO_DATA, dir, NO_DATA, MsFlags::MS_SHARED | MsFlags::MS_REC, NO_DATA);
    match shared() {
        Err(Errno::EINVAL) => {
            mount(Some(dir), dir, NO_DATA, MsFlags::MS_BIND | MsFlags::MS_REC, NO_DATA)?;
            Ok(shared()?)
        }
        other => Ok(other?),
    }
}

/// Unmounts and removes a folder if it is empty.
pub(super) fn leave(dir: &str) {
    // Another weir may have entries there. The kernel puts names with a dot into every bpffs.
    let is_theirs = |name: &std::ffi::OsStr| !name.as_encoded_bytes().contains(&b'.');
    let mut entries = fs::read_dir(dir).into_iter().flatten().flatten();
    if !entries.any(|entry| is_theirs(&entry.file_name())) {
        let _ = umount2(dir, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(Path::new(dir));
    }
}

#[cfg(test)]
mod tests;
