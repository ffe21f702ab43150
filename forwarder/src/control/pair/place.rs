//! Where the pair's network namespace is kept: a file on which it is mounted, in the mount
//! namespace of the host, so that it outlives the process also where weir runs in a mount
//! namespace of its own (`ip netns exec`, a unit's sandbox).
//!
//! Invariant: the mount namespace of this process stays as it is; only threads made for the
//! purpose enter another one. Whoever mounts or unmounts holds the lock on [`LOCKED`].

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use rustix::fs::{AtFlags, statat};

use crate::control::netns::{Netns, NetnsId, on_own_thread};

/// Where the namespaces' files are, one for each weir.
pub(super) const DIR: &str = "/run/weir/netns";
const LOCKED: &str = "/run/weir";
const OWN: &str = "/proc/thread-self/ns/mnt";
const NO_DATA: Option<&str> = None;

/// A mount namespace in which the file may be.
#[derive(Debug)]
pub(super) struct Place {
    /// `None`: the one this process runs in.
    elsewhere: Option<File>,
    /// Known to last longer than this process.
    pub(super) lasting: bool,
}

/// The places to look at, the best first: the mount namespace of process 1, or, where that may not
/// be entered, of the topmost ancestor whose may; in the end the own one.
pub(super) fn places() -> Vec<Place> {
    let own = fs::metadata(OWN).ok().map(|own| (own.dev(), own.ino()));
    let mut seen = Vec::new();
    let mut places = Vec::new();
    for pid in std::iter::once(1).chain(ancestors().into_iter().rev()) {
        let Ok(file) = File::open(format!("/proc/{pid}/ns/mnt")) else { continue };
        let Ok(id) = file.metadata().map(|metadata| (metadata.dev(), metadata.ino())) else {
            continue;
        };
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let elsewhere = (own != Some(id)).then_some(file);
        places.push(Place { elsewhere, lasting: true });
    }
    if !places.iter().any(|place| place.elsewhere.is_none()) {
        places.push(Place { elsewhere: None, lasting: false });
    }
    places
}

/// The processes above this one, the parent first; process 1 is not among them.
fn ancestors() -> Vec<u32> {
    // A process that dies meanwhile ends the list; a number that is used again cannot make a
    // circle longer than this.
    const MOST: usize = 64;
    let mut above = Vec::new();
    let mut pid = std::os::unix::process::parent_id();
    while pid > 1 && above.len() < MOST {
        above.push(pid);
        let Some(parent) = fs::read_to_string(format!("/proc/{pid}/status"))
            .ok()
            .and_then(|status| parent_in(&status))
        else {
            break;
        };
        pid = parent;
    }
    above
}

fn parent_in(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// The file as it was mounted, so that its loss is seen.
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

impl Place {
    /// The namespace that is mounted under this name, if one is.
    pub(super) fn find(&self, name: &str) -> io::Result<Option<(Netns, Kept)>> {
        self.inside(|| {
            let path = path_of(name);
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            // A file on which nothing is mounted is what a restart of the host leaves behind.
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
        use std::os::fd::AsRawFd as _;
        self.inside(|| {
            let _locked = lock(true)?;
            share_dir()?;
            let path = path_of(name);
            match OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                file => drop(file?),
            }
            let source = format!("/proc/thread-self/fd/{}", netns.file().as_raw_fd());
            mount(Some(source.as_str()), &path, NO_DATA, MsFlags::MS_BIND, NO_DATA)?;
            kept(name, netns)
        })
    }

    /// Unmounts the namespace and removes the file; whether there was one.
    pub(super) fn remove(&self, name: &str) -> io::Result<bool> {
        self.inside(|| {
            let path = path_of(name);
            if !path.exists() {
                return Ok(false);
            }
            let _locked = lock(false)?;
            // More than once, if somebody mounted it over itself.
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
            // Another weir may have its file there.
            if is_empty(Path::new(DIR)) {
                let _ = umount2(DIR, MntFlags::MNT_DETACH);
                let _ = fs::remove_dir(DIR);
            }
            Ok(true)
        })
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let Some(namespace) = &self.elsewhere else { return work() };
        on_own_thread(|| {
            // A thread that shares its root and working directory with others may not leave.
            unshare(CloneFlags::CLONE_FS)?;
            setns(namespace, CloneFlags::CLONE_NEWNS)?;
            work()
        })
    }
}

pub(super) fn path_of(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn kept(name: &str, netns: &Netns) -> io::Result<Kept> {
    Ok(Kept { dir: File::open(DIR)?, name: name.to_owned(), id: netns.id })
}

/// Held while mounts change, so that one weir does not remove the folder under another.
fn lock(make: bool) -> io::Result<File> {
    if make {
        fs::create_dir_all(LOCKED)?;
    }
    let dir = File::open(LOCKED)?;
    dir.lock()?;
    Ok(dir)
}

/// Makes the folder, and a shared mount of it: a mount namespace that is copied from this one later
/// has the files as well, and must give them up when they are unmounted here.
fn share_dir() -> io::Result<()> {
    fs::create_dir_all(DIR)?;
    let shared =
        || mount(None::<&str>, DIR, NO_DATA, MsFlags::MS_SHARED | MsFlags::MS_REC, NO_DATA);
    match shared() {
        Err(Errno::EINVAL) => {
            mount(Some(DIR), DIR, NO_DATA, MsFlags::MS_BIND | MsFlags::MS_REC, NO_DATA)?;
            Ok(shared()?)
        }
        other => Ok(other?),
    }
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_mount_namespace_is_always_a_place() {
        let places = places();
        assert_eq!(places.iter().filter(|place| place.elsewhere.is_none()).count(), 1);
    }

    #[test]
    fn the_parent_is_read_from_the_status() {
        assert_eq!(parent_in("Name:\tPPid: x\nPid:\t9\nPPid:\t42\n"), Some(42));
        assert_eq!(parent_in("Name:\tx\n"), None);
    }

    #[test]
    fn ancestors_begin_with_the_parent_and_end() {
        let above = ancestors();
        assert!(above.len() <= 64 && !above.contains(&1), "{above:?}");
    }
}
