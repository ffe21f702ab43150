//! Where the pair's network namespace is kept: mounted on a file, in the mount namespace of the host,
//! so that it outlives the process.
//!
//! Invariant: see [`mounts`](crate::host::mounts).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use rustix::fs::{AtFlags, statat};

use crate::host::mounts::{NO_DATA, Place, leave, lock, share};
use crate::host::netns::{Netns, NetnsId};

/// The folder of the namespaces' files, one for each weir.
const DIR: &str = "/run/weir/netns";

/// The file as it was mounted, so that the loss of the mount shows.
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
        use std::os::fd::AsRawFd as _;
        self.inside(|| {
            let _locked = lock(true)?;
            share(DIR)?;
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
            leave(DIR);
            Ok(true)
        })
    }
}

pub(super) fn path_of(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn kept(name: &str, netns: &Netns) -> io::Result<Kept> {
    Ok(Kept { dir: File::open(DIR)?, name: name.to_owned(), id: netns.id })
}
