//! Finds and enters the network namespace of a veth's other end. Invariant: only threads made for the
//! purpose, which end afterwards, ever change their namespace.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use serde::{Deserialize, Serialize};

use super::netlink::{Attributes, Netlink, Request};

/// The folders in which `ip netns` and container runtimes keep namespaces alive.
const NAMED: [&str; 3] = ["/run/netns", "/run/docker/netns", "/var/run/netns"];
const OWN: &str = "/proc/thread-self/ns/net";

// linux/net_namespace.h
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;

/// Identifies a namespace until the host restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NetnsId {
    pub device: u64,
    pub inode: u64,
}

impl NetnsId {
    pub fn of_this_thread() -> io::Result<Self> {
        Self::at(Path::new(OWN))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// A namespace held open, so that it cannot go away meanwhile.
#[derive(Debug)]
pub struct Netns {
    pub id: NetnsId,
    /// A path that leads to it, to show the operator.
    pub path: PathBuf,
    pub(crate) file: File,
}

impl Netns {
    /// A namespace that was opened elsewhere, and the path that leads to it.
    pub(super) fn from_file(file: File, path: &Path) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let id = NetnsId { device: metadata.dev(), inode: metadata.ino() };
        Ok(Self { id, path: path.to_owned(), file })
    }

    /// Makes a namespace, which this handle holds. `path` is where the caller is going to mount it, if
    /// at all.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open(OWN)
        })?;
        Self::from_file(file, path)
    }

    /// Runs `work` in this namespace, on a thread of its own, and waits for it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_own_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        })
    }

    /// The `ip netns exec` or `nsenter` command that enters it.
    pub fn command_prefix(&self) -> String {
        match (self.path.parent(), self.path.file_name()) {
            (Some(dir), Some(name)) if dir.ends_with("run/netns") => {
                format!("ip netns exec {}", name.to_string_lossy())
            }
            _ => format!("nsenter --net={}", self.path.display()),
        }
    }
}

/// Runs `work` on a thread that may change its namespaces, because the thread ends afterwards.
pub(super) fn on_own_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, work)?;
        worker.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
    })
}

/// The namespace that this one knows as `netns_id`; `None`: no file and no process leads to it.
pub(crate) fn by_netns_id(netlink: &mut Netlink, netns_id: i32) -> Option<Netns> {
    candidates().find(|netns| id_as_seen(netlink, &netns.file).ok().flatten() == Some(netns_id))
}

/// The namespace with that identity.
pub fn by_identity(id: NetnsId) -> Option<Netns> {
    candidates().find(|netns| netns.id == id)
}

/// Every other namespace that can be found, each once: the named ones first, for their names.
fn candidates() -> impl Iterator<Item = Netns> {
    let mut seen: BTreeSet<NetnsId> = NetnsId::of_this_thread().into_iter().collect();
    let named = NAMED.iter().flat_map(|dir| entries(Path::new(dir)));
    let processes = entries(Path::new("/proc"))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.bytes().all(|byte| byte.is_ascii_digit())
        })
        .map(|path| path.join("ns/net"));
    named.chain(processes).filter_map(move |path| {
        // Reading the link costs less than opening it, and most processes share one namespace.
        let id = NetnsId::at(&path).ok()?;
        if !seen.insert(id) {
            return None;
        }
        let netns = File::open(&path).and_then(|file| Netns::from_file(file, &path));
        netns.ok().filter(|netns| netns.id == id)
    })
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The id that the namespace of `netlink` has given to another, if any.
pub(super) fn id_as_seen(netlink: &mut Netlink, netns: &File) -> io::Result<Option<i32>> {
    let request = Request::new(libc::RTM_GETNSID, &[0; 4])
        .attribute(NETNSA_FD, &netns.as_raw_fd().to_ne_bytes());
    let answers = netlink.call(&request)?;
    let id = answers.iter().find_map(|(_, said)| Attributes::behind(4, said).u32(NETNSA_NSID));
    Ok(id.map(|id| id as i32).filter(|id| *id >= 0))
}

#[cfg(test)]
mod tests;
